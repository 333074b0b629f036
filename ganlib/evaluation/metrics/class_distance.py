"""The share of images that would have to be of another class for the classes to be as frequent as in the data."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.bootstrap import mean_statistic
from ganlib.evaluation.distances import Statistic
from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


def compute(sample: Sample) -> np.ndarray:
    """Return the share and its replicates."""
    return sample.replicates(distance_statistic(sample.classes, sample.real.class_shares(sample.num_classes)))


def distance_statistic(classes: np.ndarray, shares: np.ndarray) -> Statistic:
    """Return the total variation distance between the shares of ``classes`` and ``shares``, by the groups' weights.

    Args:
        classes: int [n].
        shares: of the data, float [num_classes].
    """
    ours = [mean_statistic(classes == one) for one in range(len(shares))]

    def at(weights: np.ndarray) -> np.ndarray:
        differences = [np.abs(share(weights) - theirs) for share, theirs in zip(ours, shares, strict=True)]
        distance: np.ndarray = np.sum(differences, axis=0) / 2
        return distance

    return at


METRIC = Metric(
    "images of classes too many",
    "lower",
    compute,
    least=0,
    of_classes=True,
    fault="class balance",
    above_floor=True,
    percent=True,
)
