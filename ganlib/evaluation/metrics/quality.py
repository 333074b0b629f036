"""What FID and KID do not tell apart: faithful, covering, balanced, varied, or learnt by heart."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ganlib.config import EvaluateConfig
from ganlib.core.progress import doing
from ganlib.core.record import Record
from ganlib.evaluation.bootstrap import Interval, around, mean_statistic, resample
from ganlib.evaluation.judge.judge import JudgeOutput
from ganlib.evaluation.distances import Statistic, checked, group_of
from ganlib.evaluation.neighbours import Nearest, balls, radii

NEAR = 0.5
"""A near copy is closer to a training image than this share of what the nearest test image is to that one."""
TWIN = 0.05
"""Closer than this share of the spread within digits (the root of :func:`within`), a test image and a training image
are one and the same, saved anew at most. In MNIST no pair is closer than 0.085; JPEG of quality 95 moves an image by
0.013, grey levels off by one by 0.007."""
_TINY = 1e-12  # a probability's logarithm is finite


class Quality(Record):
    """Figures of one set of images. All but the last three are of the judge's view of the test split, too."""

    score: Interval
    """``exp(E KL(p(y|x) || p(y)))`` by the judge (Salimans 2016, the inception score): 1 to 10."""
    precision: Interval
    """Share of images within the real manifold (Kynkäänniemi 2019)."""
    recall: Interval
    """Share of real images within the images' manifold (the same)."""
    density: Interval
    """How many real balls an image lies in, over k (Naeem 2020): about 1 for real images, and can exceed it."""
    coverage: Interval
    """Share of real balls with an image in them (the same)."""
    imbalance: Interval
    """KL divergence of the shares of the ten digits from equal ones, in nats: 0 to log 10."""
    diversity: Interval
    """Variance of the features within digits over that of real images: 0 is one image a digit."""
    nearest: Interval
    """Mean distance in feature space to the nearest training image. Beside it stands that of the test split."""
    copies: Interval
    """Share of near copies of training images (see :data:`NEAR`)."""


NAMES = tuple(Quality.model_fields)
_LEAST = dict.fromkeys(NAMES, 0.0) | {"score": 1.0}


def summarise(resampled: Mapping[str, np.ndarray], confidence: float) -> Quality:
    """What :func:`measure` gives, as figures with intervals that do not leave a figure's range."""
    return Quality(**{name: around(resampled[name], confidence).above(_LEAST[name]) for name in NAMES})


@doing("measure precision, recall, density and coverage")
def measure(
    seen: JudgeOutput,
    real: np.ndarray,
    ball: np.ndarray,
    variance: float,
    distance: np.ndarray,
    copied: np.ndarray,
    config: EvaluateConfig,
) -> dict[str, np.ndarray]:
    """Figures of n images by name (:data:`NAMES`), each with its replicates: float64 [1 + replicates].

    Precision, density and what follows from single images are resampled over the images; recall and coverage over
    the real ones, because images that a replicate repeats would have neighbours at no distance.

    Args:
        seen: the judge's view of them.
        real: features of the test split, float32 [m, d].
        ball: radius about each of those, as :func:`ganlib.evaluation.neighbours.radii`.
        variance: of real features within digits, as :func:`within`.
        distance: of each image to the nearest training image.
        copied: whether each is a near copy, as :func:`copies`.
        config: k, and how to resample.
    """

    def drawn(statistic: Statistic, n: int) -> np.ndarray:
        return resample(statistic, n, replicates=config.bootstrap, seed=config.seed)

    def mean(values: np.ndarray) -> np.ndarray:
        return drawn(mean_statistic(values), len(values))

    features, probabilities = seen
    digits, n = probabilities.argmax(axis=1), len(features)
    theirs = balls(real, ball, features)
    ours = balls(features, radii(features, config.neighbours), real)
    return {
        "score": drawn(score_statistic(probabilities), n),
        "precision": mean(theirs.holding > 0),
        "recall": mean(ours.holding > 0),
        "density": mean(theirs.holding / config.neighbours),
        "coverage": mean(theirs.met),
        "imbalance": drawn(imbalance_statistic(digits), n),
        "diversity": drawn(within_statistic(features, digits, variance), n),
        "nearest": mean(distance),
        "copies": mean(copied),
    }


def copies(near: Nearest, back: np.ndarray) -> np.ndarray:
    """bool [n]: which images are near copies.

    Args:
        near: of the images to the training images.
        back: float64 [m]: distance of each training image to the test image nearest to it that is no :data:`TWIN`.
    """
    copied: np.ndarray = near.distance < NEAR * back[near.point]
    return copied


def score_statistic(probabilities: np.ndarray) -> Statistic:
    """The classifier score of ``probabilities`` [n, c], as a function of the groups' weights."""
    p = checked(probabilities).clip(_TINY)
    inner = mean_statistic((p * np.log(p)).sum(axis=1))
    means = [mean_statistic(column) for column in p.T]

    def at(weights: np.ndarray) -> np.ndarray:
        marginal = np.stack([mean(weights) for mean in means])
        score: np.ndarray = np.exp(inner(weights) - (marginal * np.log(marginal)).sum(axis=0))
        return score

    return at


def imbalance_statistic(digits: np.ndarray) -> Statistic:
    """KL divergence of the shares of ``digits``, int [n] of 0..9, from equal ones, as a function of the weights."""
    shares = [mean_statistic(digits == digit) for digit in range(10)]

    def at(weights: np.ndarray) -> np.ndarray:
        p = np.stack([share(weights) for share in shares])
        divergence: np.ndarray = np.log(10) + (p * np.log(p.clip(_TINY))).sum(axis=0)
        return divergence

    return at


def within(features: np.ndarray, digits: np.ndarray) -> float:
    """The total variance of ``features`` [n, d] about their digit's mean: the mean over all n."""
    every = np.ones((1, int(group_of(len(features))[-1]) + 1))
    return float(within_statistic(features, digits, 1.0)(every)[0])


def within_statistic(features: np.ndarray, digits: np.ndarray, unit: float) -> Statistic:
    """:func:`within` over ``unit``, as a function of the groups' weights."""
    values = checked(features)
    square = mean_statistic(np.square(values).sum(axis=1))
    group = group_of(len(values))
    groups = int(group[-1]) + 1
    sizes = np.bincount(group).astype(np.float64)
    parts: list[Callable[[np.ndarray], np.ndarray]] = []
    for digit in range(10):
        mine = digits == digit
        counts = np.bincount(group[mine], minlength=groups).astype(np.float64)
        sums = np.zeros((groups, values.shape[1]))
        np.add.at(sums, group[mine], values[mine])
        parts.append(_explained(counts, sums, sizes))

    def at(weights: np.ndarray) -> np.ndarray:
        spread: np.ndarray = (square(weights) - sum(part(weights) for part in parts)) / unit
        return spread

    return at


def _explained(counts: np.ndarray, sums: np.ndarray, sizes: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """One digit's share of the mean square: ``count |mean|^2 / n``."""

    def at(weights: np.ndarray) -> np.ndarray:
        part: np.ndarray = np.square(weights @ sums).sum(axis=1) / (weights @ counts).clip(1) / (weights @ sizes)
        return part

    return at
