"""How much features vary within classes."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.bootstrap import mean_statistic
from ganlib.evaluation.distances import Statistic, checked, group_of


def within(features: np.ndarray, classes: np.ndarray) -> float:
    """Return the total variance of ``features`` [n, d] about the mean of their class: the mean over all n.

    ``classes`` is int [n].
    """
    every = np.ones((1, int(group_of(len(features))[-1]) + 1))
    return float(within_statistic(features, classes, 1.0)(every)[0])


def within_statistic(features: np.ndarray, classes: np.ndarray, unit: float) -> Statistic:
    """Return :func:`within` over ``unit``, as a function of the groups' weights."""
    values = checked(features)
    square = mean_statistic(np.square(values).sum(axis=1))
    group = group_of(len(values))
    sizes = np.bincount(group).astype(np.float64)
    members = [np.flatnonzero(classes == one) for one in np.unique(classes)]

    def explained(weights: np.ndarray, mine: np.ndarray) -> np.ndarray:
        """One class's share of the mean square, ``count |mean|^2 / n``."""
        theirs = weights[:, group[mine]]
        part: np.ndarray = np.square(theirs @ values[mine]).sum(axis=1) / theirs.sum(axis=1).clip(1) / (weights @ sizes)
        return part

    def at(weights: np.ndarray) -> np.ndarray:
        spread: np.ndarray = (square(weights) - sum(explained(weights, mine) for mine in members)) / unit
        return spread

    return at
