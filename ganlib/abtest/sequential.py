"""Comparing two means while outcomes come in: tests that may be looked at, and stopped, at any time.

*Outcomes of 0 and 1.* The evidence after n outcomes is a mixture likelihood of both sides over the best likelihood that
one common rate can have:

    E_n = beta(a; s_a, f_a) beta(b; s_b, f_b) / max_p p^s (1 - p)^f,   Jeffreys' Beta(1/2, 1/2) mixtures

Where the rates are equal, E_n is at most the mixture over the true likelihood, a nonnegative martingale that begins at
1; by Ville's inequality it ever reaches 1 / level with a probability of at most ``level``. That is exact at every n,
for any split. (Robbins 1970, "Statistical methods related to the law of the iterated logarithm"; the maximum below:
Wasserman, Ramdas and Balakrishnan 2020, "Universal inference".) The interval of each rate is the beta mixture's
confidence sequence at half the level, that of the difference comes from the ends of the two.

*Numbers.* Each outcome x becomes ``(x - m) (1{b} / (1 - share_a) - 1{a} / share_a)``, m the mean of those before:
its expectation is ``mean_b - mean_a`` whatever m is. The asymptotic confidence sequence of the mean of these (Gaussian
mixture; Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, "Time-uniform central limit theory and asymptotic
confidence sequences") holds at all times from :data:`LEAST` outcomes on, as far as a central limit theorem does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ganlib.core.record import Record

Kind = Literal["binary", "number"]

LEAST = 200
"""Outcomes of numbers before a decision: before, the limit theorem says little."""
_PRIOR = 0.5
_TIGHTEST = 1000.0
"""The sequence of numbers is tightest around so many outcomes."""


class SequentialResult(Record):
    """Where a comparison stands."""

    n_a: int
    n_b: int
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    """``mean_b - mean_a``."""
    low: float | None
    """The difference's bounds, valid at all times together; None before there is anything to say."""
    high: float | None
    evidence: float | None
    """E_n for outcomes of 0 and 1, capped at 1e300; None for numbers."""
    level: float
    stopped_at: int | None
    """The outcome at which the test could first be stopped; what came later does not undo it."""
    better: Literal["a", "b"] | None
    """The better side, as of ``stopped_at``."""


def compare(
    values: Sequence[float], is_b: Sequence[bool], *, kind: Kind, share_a: float, level: float = 0.05
) -> SequentialResult:
    """Return the state after all outcomes, in the order in which they came.

    Args:
        values: the outcomes; of kind ``binary`` each 0 or 1.
        is_b: whether each is of side b.
        kind: see the module.
        share_a: the probability of side a that was in force, in (0, 1).
        level: probability of ever calling equals different, at most.
    """
    x, b = np.asarray(values, float), np.asarray(is_b, bool)
    n = [int((~b).sum()), int(b.sum())]
    means = [float(x[side].mean()) if count else None for side, count in zip((~b, b), n, strict=True)]
    difference = means[1] - means[0] if means[0] is not None and means[1] is not None else None
    evidence, bounds = None, None
    if kind == "binary":
        logs = log_evidence(x, b)
        crossings = np.flatnonzero(logs >= np.log(1 / level))
        evidence = float(np.exp(min(logs[-1], 690.0))) if len(logs) else None
        if all(n):
            ends = [_rate_bounds(x[side], level / 2) for side in (~b, b)]
            bounds = ends[1][0] - ends[0][1], ends[1][1] - ends[0][0]
    else:
        centre, half = difference_sequence(x, b, share_a, level)
        crossings = np.flatnonzero((np.abs(centre) > half) & (np.arange(1, len(x) + 1) >= LEAST))
        if len(x) >= LEAST:
            bounds = float(centre[-1] - half[-1]), float(centre[-1] + half[-1])
    first = int(crossings[0]) + 1 if len(crossings) else None
    better: Literal["a", "b"] | None = None
    if first is not None:
        early, sides = x[:first], b[:first]
        gain = centre[first - 1] if kind == "number" else early[sides].mean() - early[~sides].mean()
        better = "b" if gain > 0 else "a"
    return SequentialResult(
        n_a=n[0],
        n_b=n[1],
        mean_a=means[0],
        mean_b=means[1],
        difference=difference,
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
        evidence=evidence,
        level=level,
        stopped_at=first,
        better=better,
    )


def log_evidence(x: NDArray[np.float64], is_b: NDArray[np.bool_]) -> NDArray[np.float64]:
    """log E_n after each outcome of 0 or 1, float64 ``[n]``."""
    from scipy.special import xlogy

    total = np.zeros(len(x))
    for side in (~is_b, is_b):
        total += _log_mixture(np.cumsum(x * side), np.cumsum((1 - x) * side))
    successes, n = np.cumsum(x), np.arange(1, len(x) + 1)
    rate = successes / n
    ratio: NDArray[np.float64] = total - xlogy(successes, rate) - xlogy(n - successes, 1 - rate)
    return ratio


def _log_mixture(successes: NDArray[np.float64] | float, failures: NDArray[np.float64] | float) -> NDArray[np.float64]:
    from scipy.special import betaln

    likelihood: NDArray[np.float64] = betaln(_PRIOR + successes, _PRIOR + failures) - betaln(_PRIOR, _PRIOR)
    return likelihood


def _rate_bounds(x: NDArray[np.float64], level: float) -> tuple[float, float]:
    """The rates p at which the mixture is less than 1 / level times as likely as p itself."""
    from scipy.optimize import brentq
    from scipy.special import xlog1py, xlogy

    successes, failures = float(x.sum()), float(len(x) - x.sum())
    most = float(_log_mixture(successes, failures)) - np.log(1 / level)

    def excess(p: float) -> float:
        return float(xlogy(successes, p) + xlog1py(failures, -p) - most)

    rate, edge = successes / len(x), 1e-12
    low = 0.0 if successes == 0 or excess(edge) > 0 else brentq(excess, edge, rate)
    high = 1.0 if failures == 0 or excess(1 - edge) > 0 else brentq(excess, rate, 1 - edge)
    return float(low), float(high)


def difference_sequence(
    x: NDArray[np.float64], is_b: NDArray[np.bool_], share_a: float, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and half-width after each outcome of the sequence for ``mean_b - mean_a``, float64 ``[n]`` each."""
    n = np.arange(1, len(x) + 1)
    before = np.concatenate([[0.0], np.cumsum(x)[:-1]]) / np.maximum(n - 1, 1)
    scores = (x - before) * np.where(is_b, 1 / (1 - share_a), -1 / share_a)
    centre = np.cumsum(scores) / n
    spread = np.sqrt(np.maximum(np.cumsum(scores**2) / n - centre**2, 0))
    rho2 = (-2 * np.log(level) + np.log(-2 * np.log(level) + 1)) / _TIGHTEST
    half = spread * np.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * np.log(np.sqrt(n * rho2 + 1) / level))
    return centre, half
