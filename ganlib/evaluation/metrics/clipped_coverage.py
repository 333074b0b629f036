"""Clipped coverage (Salvy 2025): how many images as good as real ones would fill the real balls as these do, of all.

A ball counts by the images in it, up to k, so that one lucky image covers no ball. What m real images would fill on the
mean is known in closed form, and the figure is the share m / n at which it is what these n images fill.
"""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


def compute(sample: Sample) -> np.ndarray:
    """Return the clipped coverage and its replicates."""
    k, n = sample.config.neighbours, len(sample.features)
    fill = sample.mean(np.minimum(sample.real_balls.fill, k) / k)
    return np.searchsorted(expected(len(sample.real.test), n, k), fill) / (n + 1)


def expected(real: int, n: int, k: int) -> np.ndarray:
    """Return how full 0 to ``n`` images like the real ones leave a ball on the mean, float64 [n + 1]; 1: k or more.

    A ball that reaches to the k-th of ``real - 1`` others holds a share of the distribution that is Beta(k, real - k),
    whatever the distribution, so the number of m images in it is beta-binomial. Fewer than k images count for nothing,
    as in the authors' code.
    """
    from scipy.stats import betabinom

    m = np.arange(k, n + 1)
    lacking = sum((k - inside) * betabinom.pmf(inside, m, k, real - k) for inside in range(k))
    return np.concatenate([np.zeros(k), 1 - lacking / k])


METRIC = Metric("clipped coverage", "higher", compute, least=0)
