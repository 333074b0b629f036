"""FID and KID against closed forms and against torchmetrics; intervals against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import default_rng

from ganlib.errors import BadInput
from ganlib.evaluation import metrics
from ganlib.evaluation.metrics import (
    Moments,
    frechet_distance,
    frechet_interval,
    kernel_distance,
    kernel_interval,
    moments,
)


def skewed(n: int, d: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Non-negative, correlated features, as the judge's are after ReLU."""
    draw = default_rng(seed)
    mix = default_rng(99).normal(size=(d, d)) / np.sqrt(d)
    return (draw.normal(size=(n, d)) @ mix + shift).clip(min=0).astype(np.float32)


def test_frechet_distance_of_gaussians_in_one_dimension_is_the_closed_form() -> None:
    one, other = Moments(np.array([1.0]), np.array([[4.0]])), Moments(np.array([3.0]), np.array([[9.0]]))
    assert frechet_distance(one, other) == pytest.approx((1 - 3) ** 2 + (2 - 3) ** 2)


def test_frechet_distance_of_commuting_covariances_is_the_closed_form() -> None:
    a, b = np.array([1.0, 4.0, 0.0]), np.array([9.0, 1.0, 4.0])  # one of them singular
    got = frechet_distance(Moments(np.zeros(3), np.diag(a)), Moments(np.ones(3), np.diag(b)))
    assert got == pytest.approx(3 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum())


def test_frechet_distance_is_symmetric_and_zero_for_equal_sets() -> None:
    one, other = moments(skewed(500, 16, 1)), moments(skewed(500, 16, 2, 0.3))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-9)


def test_fid_agrees_with_torchmetrics_on_the_same_features() -> None:
    import torch
    from torchmetrics.image.fid import _compute_fid

    real, fake = skewed(3000, 64, 1), skewed(3000, 64, 2, 0.2)
    statistics = [
        (torch.from_numpy(x.astype(np.float64)).mean(0), torch.cov(torch.from_numpy(x.astype(np.float64)).T))
        for x in (real, fake)
    ]
    theirs = _compute_fid(statistics[0][0], statistics[0][1], statistics[1][0], statistics[1][1]).item()
    assert frechet_distance(moments(real), moments(fake)) == pytest.approx(theirs, rel=1e-3)


def test_kid_agrees_with_torchmetrics_on_the_same_features() -> None:
    import torch
    from torchmetrics.image.kid import poly_mmd

    real, fake = skewed(400, 64, 1), skewed(400, 64, 2, 0.2)
    theirs = poly_mmd(torch.from_numpy(real).double(), torch.from_numpy(fake).double()).item()
    assert kernel_distance(real.astype(np.float64), fake.astype(np.float64)) == pytest.approx(
        theirs, rel=1e-3
    )


def test_kid_of_two_draws_of_one_distribution_is_near_zero_on_either_side() -> None:
    found = [
        kernel_distance(skewed(300, 8, s).astype(float), skewed(300, 8, s + 50).astype(float))
        for s in range(20)
    ]
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 0.02 * kernel_distance(
        skewed(300, 8, 1).astype(float), skewed(300, 8, 2, 1.0).astype(float)
    )


def test_the_interval_holds_the_figure_and_narrows_with_more_samples() -> None:
    reference = moments(skewed(5000, 16, 0))
    few, many = (
        frechet_interval(skewed(n, 16, 3, 0.3), reference, replicates=100, confidence=0.95, seed=1)
        for n in (1000, 8000)
    )
    for found in (few, many):
        assert found.low < found.value < found.high
    assert many.high - many.low < 0.6 * (few.high - few.low)


def test_the_interval_covers_the_figure_of_fresh_draws_about_as_often_as_it_says() -> None:
    reference = moments(skewed(5000, 8, 0))
    figures = [frechet_distance(moments(skewed(1000, 8, s, 0.3)), reference) for s in range(100, 180)]
    expected = float(np.mean(figures))
    inside = 0
    for seed in range(60):
        found = frechet_interval(
            skewed(1000, 8, seed + 500, 0.3), reference, replicates=80, confidence=0.9, seed=seed
        )
        inside += found.low <= expected <= found.high
    assert inside >= 45  # 54 expected; P(fewer than 45 | 0.9) < 0.001


def test_the_figure_does_not_depend_on_the_bootstrap() -> None:
    features, reference = skewed(1010, 8, 3, 0.3), moments(skewed(1000, 8, 0))
    a = frechet_interval(features, reference, replicates=50, confidence=0.9, seed=1)
    b = frechet_interval(features, reference, replicates=60, confidence=0.9, seed=2)
    assert a.value == b.value == frechet_distance(moments(features), reference)
    assert a.low != b.low


def test_grouped_sums_with_weights_of_one_are_the_plain_moments() -> None:
    values = skewed(400, 8, 3).astype(np.float64)
    sums = metrics._group_sums(values)
    whole = metrics._weighted(sums, np.ones(len(sums.first)))
    plain = moments(values)
    assert np.allclose(whole.mean, plain.mean)
    assert np.allclose(whole.covariance, plain.covariance)


def test_kid_subsets_larger_than_a_set_are_refused() -> None:
    with pytest.raises(BadInput, match="subsets of 500"):
        kernel_interval(skewed(400, 8, 1), skewed(800, 8, 2), subsets=3, size=500, confidence=0.9, seed=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(value: float) -> None:
    broken = skewed(400, 8, 1)
    broken[3, 3] = value
    with pytest.raises(BadInput, match="NaN or infinity"):
        moments(broken)
