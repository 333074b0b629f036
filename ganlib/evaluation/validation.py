"""What is measured while a model trains: quick figures against the validation split, no intervals."""

from __future__ import annotations

import numpy as np

from ganlib.core.record import Record
from ganlib.evaluation.distances import frechet_distance, moments
from ganlib.evaluation.judge.judge import Judge
from ganlib.evaluation.metrics.class_excess import due

MOST_OF_ONE_CLASS = 5.0
LEAST_DIVERSITY = 0.2
"""Limits of mode collapse: times what is due to a class (:mod:`ganlib.evaluation.metrics.class_excess`), and of the
variety of real images. Wide: the gate has its own, narrower ones, for what is to be promoted."""


class ValidationFigures(Record):
    """Figures of one set of images."""

    fid: float
    most_frequent: str | None
    """The class that the judge sees most often, over what is due to it; None: it knows no classes."""
    class_excess: float
    """How many times what is due to it that class has; 0 without classes."""
    largest_share: float
    """Share of the images in that class; 0 without classes."""
    diversity: float
    """Total variance of the features over that of real images: 1 is as diverse as these, 0 is one image."""

    def collapsed(self) -> str | None:
        """Say how the images lack variety; None if they do not."""
        if self.most_frequent is not None and self.class_excess > MOST_OF_ONE_CLASS:
            return f"mode collapse: {100 * self.largest_share:.0f}% of the samples are of class {self.most_frequent}"
        if self.diversity < LEAST_DIVERSITY:
            return f"mode collapse: samples have {100 * self.diversity:.0f}% of the variety of real images"
        return None


class Validation:
    """The validation split as the judge sees it."""

    def __init__(self, judge: Judge, images: np.ndarray) -> None:
        """``images`` is the split, uint8 [n, channels, height, width]."""
        self._judge, output = judge, judge.features(images)
        self._real = moments(output.features)
        if judge.class_names:
            shares = np.bincount(output.classes, minlength=len(judge.class_names)) / len(images)
            self._due = due(shares)

    def of(self, images: np.ndarray) -> ValidationFigures:
        """Return the figures of uint8 ``images`` [n, channels, height, width]."""
        output = self._judge.features(images)
        ours = moments(output.features)
        name, excess, share = None, 0.0, 0.0
        if self._judge.class_names:
            shares = np.bincount(output.classes, minlength=len(self._due)) / len(images)
            most = int((shares / self._due).argmax())
            name, share = self._judge.class_names[most], float(shares[most])
            excess = share / float(self._due[most])
        return ValidationFigures(
            fid=frechet_distance(ours, self._real),
            most_frequent=name,
            class_excess=excess,
            largest_share=share,
            diversity=float(np.trace(ours.covariance) / np.trace(self._real.covariance)),
        )
