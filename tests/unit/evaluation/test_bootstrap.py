"""Intervals against what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.evaluation.bootstrap import Interval, draw_weights, interval
from ganlib.evaluation.distances import frechet_distance, frechet_statistic, kernel_statistic, moments
from tests.unit.evaluation.conftest import skewed


def of_fid(features: np.ndarray, reference: np.ndarray, *, confidence: float = 0.95, seed: int = 1) -> Interval:
    """The FID's interval by a hundred replicates."""
    statistic = frechet_statistic(features, moments(reference))
    return interval(statistic, len(features), replicates=100, confidence=confidence, seed=seed)


def of_kid(features: np.ndarray, reference: np.ndarray, *, confidence: float = 0.95, seed: int = 1) -> Interval:
    """The KID's, from four pairs of subsets of three hundred."""
    statistic = kernel_statistic(features, reference, subsets=4, size=300, seed=0)
    return interval(statistic, len(features), replicates=100, confidence=confidence, seed=seed)


@pytest.mark.parametrize("measure", [of_fid, of_kid])
def test_the_interval_holds_the_figure_and_widens_with_confidence(measure) -> None:
    features, reference = skewed(1000, 8, 3, 0.3), skewed(2000, 8, 0)
    narrow, wide = (measure(features, reference, confidence=level) for level in (0.6, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_the_interval_narrows_with_more_samples() -> None:
    reference = skewed(5000, 16, 0)
    few, many = (of_fid(skewed(n, 16, 3, 0.3), reference) for n in (1000, 8000))
    assert many.high - many.low < 0.6 * (few.high - few.low)


@pytest.mark.parametrize("measure", [of_fid, of_kid])
def test_the_figure_does_not_depend_on_the_draws_and_the_draws_only_on_the_seed(measure) -> None:
    features, reference = skewed(1010, 8, 3, 0.3), skewed(1000, 8, 0)
    one, same, other = (measure(features, reference, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.value == other.value
    assert one.low != other.low


def test_replicates_of_the_fid_lie_above_it_and_centring_undoes_that() -> None:
    features, centre = skewed(1000, 32, 3), moments(skewed(5000, 32, 0))
    drawn = frechet_statistic(features, centre)(draw_weights(1000, 100, 1))
    plain = frechet_distance(moments(features), centre)
    assert drawn.mean() > 1.5 * plain  # plain percentiles would miss the figure itself
    found = of_fid(features, skewed(5000, 32, 0))
    assert found.low < plain < found.high


@pytest.mark.parametrize("measure", [of_fid, of_kid])
def test_the_interval_covers_the_figure_of_fresh_draws_about_as_often_as_it_says(measure) -> None:
    """The reference is fixed. 60 draws at 90%: 54 expected; fewer than 45 have a chance below one in a thousand."""
    reference = skewed(2000, 8, 0)
    found = [measure(skewed(1000, 8, s + 500, 0.3), reference, confidence=0.9, seed=s) for s in range(60)]
    expected = float(np.mean([measured.value for measured in found]))
    inside = sum(measured.low <= expected <= measured.high for measured in found)
    assert 45 <= inside < 60  # an interval that never misses is too wide


def test_weights_are_counts_of_draws_with_replacement() -> None:
    weights = draw_weights(10_000, 200, 3)
    assert weights.shape == (200, 500)
    assert (weights.sum(axis=1) == 500).all()
    assert weights.mean(axis=0).std() < 0.15
    assert (weights == 0).mean() == pytest.approx(np.exp(-1), abs=0.01)
    assert draw_weights(3, 2, 0).shape == (2, 3)


def test_an_interval_reads_well_and_can_be_kept_above_zero() -> None:
    found = Interval(value=0.0123456, low=-0.001, high=0.02)
    assert str(found) == "0.0123 [-0.001, 0.02]"
    assert found.above(0) == Interval(value=0.0123456, low=0, high=0.02)
