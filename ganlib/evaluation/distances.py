"""Distances between sets of features, in float64.

Each is a :data:`Statistic`: a function of how often each group of generated samples counts. The figure that
is printed is its value where every group counts once; the bootstrap (``ganlib.evaluation.bootstrap``) is its
values elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from ganlib.core.errors import BadInput

GROUPS = 500
"""The bootstrap resamples this many groups of consecutive samples. Samples are independent draws, so groups
of them are too, and they show the same spread as single samples at a small part of the arithmetic."""
Statistic = Callable[[np.ndarray], np.ndarray]
"""Weights float64 [r, g] of the groups -> values float64 [r]."""
_DOMAIN = int.from_bytes(b"evaluate", "big")  # keeps these draws apart from the noise that made the images
_CHUNK = 50  # rows of weights worked on at once: bounds memory, changes nothing


class Moments:
    """Mean float64 [d] and unbiased covariance float64 [d, d] of a set of features."""

    def __init__(self, mean: np.ndarray, covariance: np.ndarray) -> None:
        """Both finite; ``covariance`` symmetric, possibly singular."""
        self.mean, self.covariance = mean, covariance

    @cached_property
    def root(self) -> np.ndarray:
        """The symmetric square root of the covariance."""
        values, vectors = np.linalg.eigh(self.covariance)
        root: np.ndarray = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
        return root


def moments(features: np.ndarray) -> Moments:
    """Mean and covariance of ``features`` [n, d], n >= 2.

    Raises:
        BadInput: fewer than two samples, or a value that is not finite.
    """
    values = checked(features)
    return Moments(values.mean(axis=0), np.atleast_2d(np.cov(values, rowvar=False)))


def frechet_distance(sample: Moments, reference: Moments) -> float:
    """``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` (Heusel 2017, the FID), never below zero.

    The trace of the root is the sum of the roots of the eigenvalues of ``C2^(1/2) C1 C2^(1/2)``, which is
    symmetric: no complex parts, and exact where a covariance is singular (a collapsed generator, a feature
    that is always zero).
    """
    product = reference.root @ sample.covariance @ reference.root
    cross = np.sqrt(np.linalg.eigvalsh((product + product.T) / 2).clip(min=0)).sum()
    shift = sample.mean - reference.mean
    spread = np.trace(sample.covariance) + np.trace(reference.covariance)
    return max(float(shift @ shift + spread - 2 * cross), 0.0)


def frechet_statistic(features: np.ndarray, reference: Moments) -> Statistic:
    """:func:`frechet_distance` of ``features`` [n, d] to ``reference``, as a function of the groups' weights.

    Raises:
        BadInput: fewer than two samples, or a value that is not finite.
    """
    # Sums are taken about the reference's mean: near zero, so that no digits cancel.
    values = checked(features) - reference.mean
    group = group_of(len(values))
    counts, starts = np.bincount(group).astype(np.float64), group_starts(group)
    first = np.add.reduceat(values, starts)
    second = np.stack([part.T @ part for part in np.split(values, starts[1:])]).reshape(len(starts), -1)

    def at(weights: np.ndarray) -> np.ndarray:
        chunks = np.split(weights, range(_CHUNK, len(weights), _CHUNK))
        return np.concatenate([distances(chunk) for chunk in chunks])

    def distances(weights: np.ndarray) -> np.ndarray:
        sizes, firsts = weights @ counts, weights @ first
        seconds = (weights @ second).reshape(-1, first.shape[1], first.shape[1])
        values = []
        for n, total, products in zip(sizes, firsts, seconds, strict=True):
            mean = total / n
            covariance = (products - n * np.outer(mean, mean)) / (n - 1)
            values.append(frechet_distance(Moments(mean + reference.mean, covariance), reference))
        return np.array(values)

    return at


def kernel_statistic(features: np.ndarray, reference: np.ndarray, *, subsets: int, size: int, seed: int) -> Statistic:
    """KID (Binkowski 2018) of ``features`` [n, d] to ``reference`` [k, d], as a function of weights.

    The mean over random pairs of subsets of the unbiased squared MMD under the kernel ``(x.y / d + 1)^3``. A
    sample is never paired with itself, however often its group counts, so resampling adds no bias. The pairs
    of subsets are functions of ``seed`` alone: two models measured with one seed are compared on the same
    places and the same reference.

    Raises:
        BadInput: a set is smaller than a subset, or a value is not finite.
    """
    ours, theirs = checked(features), checked(reference)
    if min(len(ours), len(theirs)) < size:
        raise BadInput(
            f"KID subsets of {size:,} need as many samples: {len(ours):,} generated and {len(theirs):,} "
            "real ones given (see ganlib.evaluation.needs)."
        )
    mine, real = (draw_subsets(len(x), subsets, size, seed, k) for k, x in enumerate((ours, theirs)))
    group = group_of(len(ours))

    def at(weights: np.ndarray) -> np.ndarray:
        values = [_weighted_mmd(ours[a], group[a], theirs[b], weights) for a, b in zip(mine, real, strict=True)]
        mean: np.ndarray = np.mean(values, axis=0)
        return mean

    return at


def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``(x.y / d + 1)^3`` of every pair of rows."""
    base = x @ y.T / x.shape[1] + 1
    cubes: np.ndarray = base * base * base
    return cubes


def _weighted_mmd(ours: np.ndarray, group: np.ndarray, theirs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Unbiased MMD^2 of two subsets [m, d]; ``group`` int [m], ascending, says whose weight each of ours
    carries."""
    m = len(theirs)
    real = kernel(theirs, theirs)
    constant = (real.sum() - np.trace(real)) / (m * (m - 1))
    own = kernel(ours, ours)
    np.fill_diagonal(own, 0.0)
    starts = group_starts(group)
    within = np.add.reduceat(np.add.reduceat(own, starts, axis=0), starts, axis=1)
    across = np.add.reduceat(kernel(ours, theirs).mean(axis=1), starts)
    counts = np.add.reduceat(np.ones(len(ours)), starts)
    mine = weights[:, group[starts]]
    total = mine @ counts
    same = ((mine @ within) * mine).sum(axis=1) / (total**2 - mine**2 @ counts)
    distance: np.ndarray = same + constant - 2 * (mine @ across) / total
    return distance


def group_of(n: int) -> np.ndarray:
    """int [n]: the group of each of ``n`` samples, ascending; sizes differ by one at most."""
    return np.arange(n) * min(GROUPS, n) // n


def group_starts(group: np.ndarray) -> np.ndarray:
    """Where each run of equal numbers in the ascending ``group`` begins."""
    return np.flatnonzero(np.diff(group, prepend=-1))


def draw_subsets(n: int, subsets: int, size: int, seed: int, stream: int) -> np.ndarray:
    """int [subsets, size]: ascending indices below ``n``, none twice in a row of it."""
    words = random_words(subsets * n, seed, stream).reshape(subsets, n)
    return np.sort(np.argsort(words, axis=1, kind="stable")[:, :size], axis=1)


def random_words(count: int, seed: int, stream: int) -> np.ndarray:
    """uint64 [count], the same on every machine; ``stream`` tells apart draws with one seed."""
    # Raw Philox words, not Generator methods: numpy promises that only the former never change.
    return np.random.Philox(key=np.array([seed, _DOMAIN + stream], np.uint64)).random_raw(count)


def checked(features: np.ndarray) -> np.ndarray:
    """``features`` [n, d] as float64.

    Raises:
        BadInput: not such a set of at least two samples, or a value that is not finite.
    """
    if features.ndim != 2 or len(features) < 2:
        raise BadInput(f"features must be [n, d] with n >= 2, not {list(features.shape)}.")
    values = features.astype(np.float64)
    if not np.isfinite(values).all():
        raise BadInput("features hold NaN or infinity: the images or the judge are broken.")
    return values
