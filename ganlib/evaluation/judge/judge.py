"""What a judge is: features and probabilities of images, by a net that is named by its digest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.data.spec import ImageShape

LEAST_ACCURACY = 0.9
"""Share of the labels of real images that a judge must agree with, or figures come with :func:`doubt`."""


def doubt(share: float) -> str | None:
    """Return what figures mean where the judge agrees with ``share`` of the labels of real images; None if it knows
    them."""
    if share >= LEAST_ACCURACY:
        return None
    return (
        f"the judge agrees with {100 * share:.1f}% of the labels of the real test images (less than "
        f"{100 * LEAST_ACCURACY:.0f}%): classes that look alike, few images, or wrong labels. Figures by class are no "
        "finer than that, and FID and KID are distances in its view: hold them against the real-data floor, and see: "
        "ganlib judge show"
    )


class JudgeOutput(NamedTuple):
    """What a judge says of n images."""

    features: np.ndarray
    """float32 [n, d]; d is the judge's own."""
    probabilities: np.ndarray
    """float32 [n, k], of the judge's classes; k is 0 where it has none."""

    @property
    def classes(self) -> np.ndarray:
        """The class that the judge takes each image for, int64 [n]; all 0 where it knows none."""
        if not self.probabilities.shape[1]:
            return np.zeros(len(self.features), np.int64)
        classes: np.ndarray = self.probabilities.argmax(axis=1)
        return classes


class Judge(ABC):
    """What figures are made with: a function from images to features and, if it knows classes, their probabilities.

    It belongs to one data set: it takes images of one shape, and its classes are that set's.
    """

    sha256: str
    """Of its file. Figures of two judges are not comparable, so each figure names it."""
    name: str
    """For people."""
    image: ImageShape
    """The one shape of images that it takes."""
    class_names: tuple[str, ...]
    """The data set's, in the order of the probabilities; empty where the judge knows no classes."""

    def features(self, images: np.ndarray, *, batch: int = 100, report: Report = silent) -> JudgeOutput:
        """Return what the judge says of uint8 ``images`` [n, channels, height, width], in the same order.

        Nothing depends on ``batch`` but time: what a hundred images take fits the processor's cache.

        Raises:
            BadInput: another type or shape, no images, or what it says of them is not finite.
        """
        self._require_images(images)
        parts = []
        for part in self._parts(images, batch):
            parts.append(part)
            report.advance("judge", min(len(parts) * batch, len(images)), len(images))
        return JudgeOutput(*map(np.concatenate, zip(*parts, strict=True)))

    def _parts(self, images: np.ndarray, batch: int) -> Iterator[JudgeOutput]:
        """What is said of one batch of images after another, each as it is ready."""
        return (self._batch(images[start : start + batch]) for start in range(0, len(images), batch))

    @abstractmethod
    def _batch(self, images: np.ndarray) -> JudgeOutput:
        """What is said of some images, uint8 [n, channels, height, width]."""

    def _require_images(self, images: np.ndarray) -> None:
        actual = f"{images.dtype} {list(images.shape)}"
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            raise BadInput(f"the images ({actual}) hold NaN or infinity: the generator that made them is broken.")
        if images.dtype != np.uint8 or images.shape[1:] != self.image.dims or not len(images):
            dims = ", ".join(map(str, self.image.dims))
            raise BadInput(f"judge {self.name} takes uint8 images [n, {dims}], not {actual}.")
