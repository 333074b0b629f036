"""What is measured while a model trains: quick figures against the validation split, no intervals."""

from __future__ import annotations

import numpy as np

from ganlib.core.record import Record
from ganlib.evaluation.judge.judge import Judge
from ganlib.evaluation.distances import frechet_distance, moments

MOST_OF_ONE_DIGIT = 0.5
LEAST_DIVERSITY = 0.2
"""Limits of mode collapse. Wide: the gate has its own, narrower one, for what is to be promoted."""


class Validated(Record):
    """Figures of one set of images."""

    fid: float
    digits: tuple[float, ...]
    """Shares of the ten digits, as the judge sees them."""
    diversity: float
    """Total variance of the features over that of real images: 1 is as diverse as these, 0 is one image."""

    def collapsed(self) -> str | None:
        """How the images lack variety, in words; None if they do not."""
        most = max(range(10), key=lambda digit: self.digits[digit])
        if self.digits[most] > MOST_OF_ONE_DIGIT:
            return f"mode collapse: {100 * self.digits[most]:.0f}% of the samples are the digit {most}"
        if self.diversity < LEAST_DIVERSITY:
            return f"mode collapse: samples have {100 * self.diversity:.0f}% of the variety of real images"
        return None


class Validation:
    """The validation split as the judge sees it."""

    def __init__(self, judge: Judge, images: np.ndarray) -> None:
        """``images`` is the split, uint8 [n, 1, 28, 28]."""
        self._judge, self._real = judge, moments(judge.features(images).features)

    def of(self, images: np.ndarray) -> Validated:
        """Figures of uint8 ``images`` [n, 1, 28, 28]."""
        seen = self._judge.features(images)
        ours = moments(seen.features)
        counts = np.bincount(seen.probabilities.argmax(axis=1), minlength=10)
        return Validated(
            fid=frechet_distance(ours, self._real),
            digits=tuple((counts / len(images)).tolist()),
            diversity=float(np.trace(ours.covariance) / np.trace(self._real.covariance)),
        )
