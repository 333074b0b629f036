"""The classifier score ``exp(E KL(p(y|x) || p(y)))``, by the judge: 1 to the number of classes (Salimans 2016)."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.bootstrap import mean_statistic
from ganlib.evaluation.distances import Statistic, checked
from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample

_TINY = 1e-12  # a probability's logarithm is finite


def compute(sample: Sample) -> np.ndarray:
    """Return the score and its replicates."""
    return sample.replicates(score_statistic(sample.probabilities))


def score_statistic(probabilities: np.ndarray) -> Statistic:
    """Return the score of ``probabilities`` [n, classes], as a function of the groups' weights."""
    p = checked(probabilities).clip(_TINY)
    inner = mean_statistic((p * np.log(p)).sum(axis=1))
    means = [mean_statistic(column) for column in p.T]

    def at(weights: np.ndarray) -> np.ndarray:
        marginal = np.stack([mean(weights) for mean in means])
        score: np.ndarray = np.exp(inner(weights) - (marginal * np.log(marginal)).sum(axis=0))
        return score

    return at


METRIC = Metric("classifier score", "higher", compute, least=1, of_classes=True)
