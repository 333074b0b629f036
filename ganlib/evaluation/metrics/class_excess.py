"""How many times its share in the data the most overdrawn class has; of a rare class, times an even share."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.bootstrap import mean_statistic
from ganlib.evaluation.distances import Statistic
from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


def compute(sample: Sample) -> np.ndarray:
    """Return the ratio and its replicates."""
    return sample.replicates(excess_statistic(sample.classes, sample.real.class_shares(sample.num_classes)))


def due(shares: np.ndarray) -> np.ndarray:
    """Return what is due to each class, whose ``shares`` of the data are float [num_classes]: an even share at least.

    Three images of a class of one in a thousand are no collapse.
    """
    least: np.ndarray = np.maximum(shares, 1 / len(shares))
    return least


def excess_statistic(classes: np.ndarray, shares: np.ndarray) -> Statistic:
    """Return the largest ratio of a share of ``classes`` to what is due to it, by the groups' weights.

    Args:
        classes: int [n].
        shares: of the data, float [num_classes].
    """
    ours = [mean_statistic(classes == one) for one in range(len(shares))]

    def at(weights: np.ndarray) -> np.ndarray:
        ratios = [share(weights) / theirs for share, theirs in zip(ours, due(shares), strict=True)]
        largest: np.ndarray = np.max(ratios, axis=0)
        return largest

    return at


METRIC = Metric("times its share", "near 1", compute, least=0, of_classes=True, fault="mode collapse")
