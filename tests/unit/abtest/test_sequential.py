"""Tests that may be looked at after every outcome: how often they call equals different, and that they settle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from ganlib.abtest.sequential import LEAST, compare, difference_sequence, log_evidence

LEVEL = 0.05


@pytest.mark.parametrize(("rate", "share_a"), [(0.02, 0.5), (0.3, 0.9), (0.5, 0.5), (0.97, 0.1)])
def test_equal_rates_are_called_different_at_most_as_often_as_the_level_says_though_looked_at_every_time(
    rate: float, share_a: float
) -> None:
    random = np.random.default_rng(7)
    wrong = 0
    for _ in range(400):
        is_b = random.random(1500) >= share_a
        wrong += bool((log_evidence((random.random(1500) < rate).astype(float), is_b) >= math.log(1 / LEVEL)).any())
    assert wrong / 400 <= LEVEL


@pytest.mark.parametrize("share_a", [0.5, 0.9])
def test_equal_means_of_skewed_numbers_are_called_different_at_most_as_often_as_the_level_says(share_a: float) -> None:
    random = np.random.default_rng(11)
    wrong = 0
    for _ in range(400):
        is_b = random.random(2000) >= share_a
        centre, half = difference_sequence(random.exponential(3.0, 2000), is_b, share_a, LEVEL)
        wrong += bool((np.abs(centre) > half)[LEAST - 1 :].any())
    assert wrong / 400 <= LEVEL


@pytest.mark.parametrize("kind", ["binary", "number"])
def test_a_true_difference_is_found_early_and_the_right_side_is_named(kind: str) -> None:
    random = np.random.default_rng(3)
    is_b = random.random(20_000) >= 0.5
    values = (random.random(20_000) < np.where(is_b, 0.16, 0.10)).astype(float)
    found = compare(values, is_b, kind=kind, share_a=0.5)  # type: ignore[arg-type]
    assert found.better == "b"
    assert found.stopped_at is not None
    assert found.stopped_at < 6000
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < 0.06 < found.high
    mirrored = compare(values, ~is_b, kind=kind, share_a=0.5)  # type: ignore[arg-type]
    assert mirrored.better == "a"


def test_what_was_settled_stays_settled() -> None:
    settled = [0.0, 1.0] * 30
    sides = [False, True] * 30
    early = compare(settled, sides, kind="binary", share_a=0.5)
    late = compare(settled + [1.0, 0.0] * 30, sides * 2, kind="binary", share_a=0.5)
    assert late.difference == 0
    assert (late.stopped_at, late.better) == (early.stopped_at, "b")


def test_the_evidence_is_the_ratio_of_likelihoods_computed_by_hand() -> None:
    """One success of a, one failure of b: mixtures of 1/2 each; one common rate can reach 1/4."""
    (first, second) = log_evidence(np.array([1.0, 0.0]), np.array([False, True]))
    assert math.exp(first) == pytest.approx(0.5)
    assert math.exp(second) == pytest.approx(0.25 / 0.25)


def test_the_bounds_are_those_where_the_mixture_is_so_many_times_as_likely() -> None:
    values, sides = [1.0] * 8 + [0.0] * 2 + [1.0] * 3 + [0.0] * 7, [False] * 10 + [True] * 10
    found = compare(values, sides, kind="binary", share_a=0.5)
    grid = np.linspace(1e-6, 1 - 1e-6, 200_001)

    def bounds(successes: int, failures: int) -> tuple[float, float]:
        posterior, prior = beta.logpdf(grid, 0.5 + successes, 0.5 + failures), beta.logpdf(grid, 0.5, 0.5)
        inside = grid[prior - posterior < math.log(2 / LEVEL)]  # prior over posterior: mixture over likelihood
        return float(inside[0]), float(inside[-1])

    (low_a, high_a), (low_b, high_b) = bounds(8, 2), bounds(3, 7)
    assert found.low == pytest.approx(low_b - high_a, abs=1e-4)
    assert found.high == pytest.approx(high_b - low_a, abs=1e-4)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60), st.sampled_from(["binary", "number"]))
def test_any_outcomes_have_a_sane_answer(outcomes: list[tuple[bool, bool]], kind: str) -> None:
    found = compare([float(x) for x, _ in outcomes], [b for _, b in outcomes], kind=kind, share_a=0.3)  # type: ignore[arg-type]
    assert found.n_a + found.n_b == len(outcomes)
    if found.low is not None and found.high is not None and found.difference is not None:
        assert -1 <= found.low <= found.difference <= found.high <= 1
    if found.evidence is not None:
        assert math.isfinite(found.evidence)
