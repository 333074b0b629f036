"""A set of images as a judge sees them, beside the real ones: what every metric is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ganlib.config import EvaluateConfig
from ganlib.core.progress import doing
from ganlib.evaluation.bootstrap import mean_statistic, resample
from ganlib.evaluation.distances import Moments, Statistic, draw_subsets, moments
from ganlib.evaluation.judge.judge import JudgeOutput
from ganlib.evaluation.neighbours import Balls, Nearest, balls, beyond, nearest, radii
from ganlib.evaluation.variance import within

NEAR = 0.5
"""A near copy is closer to a training image than this share of what the nearest test image is to that one, or than the
smaller :attr:`RealImages.near` of a small set."""
RARE = 0.01
"""Share of training images that may look like near copies of other ones. Few test images lie far from a training image,
and half as far as that is many a real image: of 300 images of MNIST a tenth of all others."""
_SAMPLE_SIZE = 2000  # training images that are held against the others
_STREAM = 4  # tells their draw from others
TWIN = 0.05
"""Closer than this share of the spread within classes (the root of :func:`within`), a test image and a training image
are one and the same, saved anew at most. In MNIST no pair is closer than 0.085; JPEG of quality 95 moves an image by
0.013, grey levels off by one by 0.007."""


@dataclass(frozen=True)
class RealImages:
    """Real images as the judge sees them. Depends on nothing but the data version and the judge."""

    test: np.ndarray
    """float32 [k, d]: features of the test split."""
    train: np.ndarray
    """float32 [m, d]: features of the train split."""
    train_probabilities: np.ndarray
    """float32 [m, classes]: of the train split; no columns where the judge knows no classes."""
    test_classes: np.ndarray
    """int64 [k]: the class that the judge takes each test image for; all 0 where it knows no classes."""
    forth: np.ndarray
    """float64 [k]: distance of each test image to the nearest training image."""
    back: np.ndarray
    """float64 [m]: distance of each training image to the nearest test image, its twins (:data:`TWIN`) left aside."""
    near: float = NEAR
    """Share of ``back`` below which an image is a near copy: at most :data:`NEAR`."""

    @cached_property
    def moments(self) -> Moments:
        """Mean and covariance of the test split's features."""
        return moments(self.test)

    @cached_property
    def variance(self) -> float:
        """Total variance of the test split's features within classes."""
        return within(self.test, self.test_classes)

    def class_shares(self, num_classes: int) -> np.ndarray:
        """Return the share of the test images in each class, float64 [num_classes]."""
        shares: np.ndarray = np.bincount(self.test_classes, minlength=num_classes)[:num_classes] / len(self.test)
        return shares

    def calibrated(self) -> RealImages:
        """Return them with ``back`` measured past twins, and ``near`` so small that real images are no near copies.

        A copy of a training image that the test split has too is still a copy. No more than :data:`RARE` of the
        training images are near copies of other ones, twins left aside.
        """
        least = TWIN * self.variance**0.5
        twin = self.back < least
        back = self.back.copy()
        if twin.any():
            back[twin] = beyond(self.train[twin], self.test, least)[0]
        some = draw_subsets(len(self.train), 1, min(len(self.train), _SAMPLE_SIZE), 0, _STREAM)[0]
        distance, other = beyond(self.train[some], self.train, least)
        if not (other >= 0).all():  # all training images are one
            return replace(self, back=back)
        return replace(self, back=back, near=min(NEAR, float(np.quantile(distance / back[other], RARE))))


class Sample:
    """n images beside the real ones. What several metrics need is computed once."""

    def __init__(
        self,
        output: JudgeOutput,
        real: RealImages,
        ball: np.ndarray,
        config: EvaluateConfig,
        near: Nearest | None = None,
    ) -> None:
        """Take what the judge says of the images.

        Args:
            output: features and class probabilities.
            real: the real images as the same judge sees them.
            ball: radius about each test image, float64 [k], as :func:`ganlib.evaluation.neighbours.radii` gives it.
            config: how to resample, and k.
            near: nearest training images, if they are known already.
        """
        self.features, self.probabilities = output
        self.classes = output.classes
        self.real, self.ball, self.config = real, ball, config
        self._near = near

    @property
    def num_classes(self) -> int:
        """How many classes the judge knows; 0: none."""
        return int(self.probabilities.shape[1])

    @cached_property
    def nearest(self) -> Nearest:
        """The nearest training images."""
        return self._near or nearest(self.features, self.real.train)

    @cached_property
    def copied(self) -> np.ndarray:
        """bool [n]: which images are near copies of training images."""
        copies: np.ndarray = self.nearest.distance < self.real.near * self.real.back[self.nearest.point]
        return copies

    @cached_property
    def real_balls(self) -> Balls:
        """The images in the balls round test images, each of which reaches to the k-th neighbour."""
        with doing("measure precision, density and coverage"):
            return balls(self.real.test, self.ball, self.features)

    @cached_property
    def own_balls(self) -> Balls:
        """The test images in the balls round the images."""
        with doing("measure recall"):
            return balls(self.features, radii(self.features, self.config.neighbours), self.real.test)

    def replicates(self, statistic: Statistic) -> np.ndarray:
        """Return the figure with its replicates over the images, float64 [1 + replicates]."""
        return resample(statistic, len(self.features), replicates=self.config.bootstrap, seed=self.config.seed)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of ``values`` [m] with its replicates, float64 [1 + replicates].

        Figures of single images are resampled over the images; recall and coverage over the real ones, because images
        that a replicate repeats would have neighbours at no distance.
        """
        return resample(mean_statistic(values), len(values), replicates=self.config.bootstrap, seed=self.config.seed)
