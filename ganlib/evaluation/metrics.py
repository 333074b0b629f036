"""Distances between sets of features, in float64, and how sure they are.

Every function that is printed is the function that is resampled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ganlib.config import Frozen
from ganlib.errors import BadInput

GROUP = 20
"""Samples a bootstrap moves together. They are independent draws, so resampling groups of them estimates the same
spread as resampling them one by one, at a twentieth of the arithmetic."""


class Interval(Frozen):
    """A figure with its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """``12.3 [11.9, 12.8]``, with enough digits for small figures."""
        digits = 2 if self.value >= 1 else 4
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


class Moments(NamedTuple):
    """Mean float64 [d] and unbiased covariance float64 [d, d] of a set of features."""

    mean: np.ndarray
    covariance: np.ndarray


class _Sums(NamedTuple):
    """Sums over groups of samples: firsts [g, d], outer products [g, d * d], and samples a group."""

    first: np.ndarray
    second: np.ndarray
    size: int


def moments(features: np.ndarray) -> Moments:
    """Mean and covariance of ``features`` [n, d], n >= 2.

    Raises:
        BadInput: fewer than two samples, or a value that is not finite.
    """
    values = _checked(features)
    return Moments(
        values.mean(axis=0), np.cov(values, rowvar=False).reshape(values.shape[1], values.shape[1])
    )


def frechet_distance(one: Moments, other: Moments) -> float:
    """``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` (Heusel 2017), never below zero.

    The trace of the root is the sum of the roots of the eigenvalues of ``C1^(1/2) C2 C1^(1/2)``, which is symmetric:
    no complex parts, and exact where a covariance is singular.
    """
    values, vectors = np.linalg.eigh(one.covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    product = root @ other.covariance @ root
    cross = np.sqrt(np.linalg.eigvalsh((product + product.T) / 2).clip(min=0)).sum()
    shift = one.mean - other.mean
    distance = shift @ shift + np.trace(one.covariance) + np.trace(other.covariance) - 2 * cross
    return max(float(distance), 0.0)


def frechet_interval(
    features: np.ndarray, reference: Moments, *, replicates: int, confidence: float, seed: int
) -> Interval:
    """The Frechet distance of ``features`` [n, d] to ``reference``, with a bootstrap interval over the samples.

    The reference is held fixed: every model is measured against the same one. A bootstrap replicate has repeated samples,
    so its covariance is estimated from fewer distinct ones, and its distance is biased upwards by about as much again as
    the figure itself. The interval is therefore centred: value + (quantile - mean of the replicates). It speaks of the
    figure at this n, as FIDs are compared at equal n.
    """
    values = _checked(features)
    sums = _group_sums(values)

    def replicate(draw: np.random.Generator) -> float:
        groups = len(sums.first)
        weights = np.bincount(draw.integers(0, groups, groups), minlength=groups).astype(np.float64)
        return frechet_distance(_weighted(sums, weights), reference)

    return _centred(frechet_distance(moments(values), reference), replicate, replicates, confidence, seed)


def kernel_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Unbiased squared MMD of two equally large sets [m, d] under the kernel ``(x.y / d + 1)^3`` (Binkowski 2018)."""
    m, d = one.shape
    same = sum(kernel.sum() - np.trace(kernel) for kernel in ((a @ a.T / d + 1) ** 3 for a in (one, other)))
    return float(same / (m * (m - 1)) - 2 * ((one @ other.T / d + 1) ** 3).mean())


def kernel_interval(
    features: np.ndarray, reference: np.ndarray, *, subsets: int, size: int, confidence: float, seed: int
) -> Interval:
    """KID: the mean of :func:`kernel_distance` over random subsets, with a bootstrap interval of that mean.

    The subsets are drawn without repeats within each, from ``features`` [n, d] and ``reference`` [k, d] alike.

    Raises:
        BadInput: a set is smaller than a subset, or a value is not finite.
    """
    ours, theirs = _checked(features), _checked(reference)
    if min(len(ours), len(theirs)) < size:
        raise BadInput(f"KID subsets of {size} need as many samples: {len(ours)} and {len(theirs)} given.")
    draw = np.random.Generator(np.random.Philox(key=seed))
    distances = np.array(
        [
            kernel_distance(
                ours[draw.choice(len(ours), size, replace=False)],
                theirs[draw.choice(len(theirs), size, replace=False)],
            )
            for _ in range(subsets)
        ]
    )

    def replicate(draw: np.random.Generator) -> float:
        return float(distances[draw.integers(0, subsets, subsets)].mean())

    return _centred(float(distances.mean()), replicate, 1000, confidence, seed)


def _centred(
    value: float,
    replicate: Callable[[np.random.Generator], float],
    replicates: int,
    confidence: float,
    seed: int,
) -> Interval:
    draw = np.random.Generator(np.random.Philox(key=[seed, 1]))
    drawn = np.array([replicate(draw) for _ in range(replicates)])
    low, high = np.quantile(drawn - drawn.mean(), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value=value, low=float(value + low), high=float(value + high))


def _checked(features: np.ndarray) -> np.ndarray:
    if features.ndim != 2 or len(features) < 2:
        raise BadInput(f"features must be [n, d] with n >= 2, not {list(features.shape)}.")
    values = features.astype(np.float64)
    if not np.isfinite(values).all():
        raise BadInput("features hold NaN or infinity: the images or the judge are broken.")
    return values


def _group_sums(values: np.ndarray) -> _Sums:
    """A remainder of fewer than ``GROUP`` samples is left out of the replicates (never of the figure)."""
    groups, d = len(values) // GROUP, values.shape[1]
    if groups < 2:
        raise BadInput(f"a bootstrap needs at least {2 * GROUP} samples, not {len(values)}.")
    parts = values[: groups * GROUP].reshape(groups, GROUP, d)
    return _Sums(
        parts.sum(axis=1),
        np.einsum("gni,gnj->gij", parts, parts, optimize=True).reshape(groups, d * d),
        GROUP,
    )


def _weighted(sums: _Sums, weights: np.ndarray) -> Moments:
    """Moments of the samples with each group taken ``weights`` times."""
    n, d = weights.sum() * sums.size, sums.first.shape[1]
    mean = weights @ sums.first / n
    second = (weights @ sums.second).reshape(d, d)
    return Moments(mean, (second - n * np.outer(mean, mean)) / (n - 1))
