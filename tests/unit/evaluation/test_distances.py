"""FID and KID against closed forms and against torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.core.errors import BadInput
from ganlib.evaluation.distances import (
    GROUPS,
    Moments,
    draw_subsets,
    frechet_distance,
    frechet_statistic,
    kernel_statistic,
    moments,
)
from tests.unit.evaluation.conftest import skewed

ONCE = np.ones((1, GROUPS))


def kid(features: np.ndarray, reference: np.ndarray, *, subsets: int, size: int, seed: int = 0) -> float:
    """The printed KID."""
    groups = min(GROUPS, len(features))
    statistic = kernel_statistic(features, reference, subsets=subsets, size=size, seed=seed)
    return float(statistic(np.ones((1, groups)))[0])


def test_frechet_distance_of_gaussians_in_one_dimension_is_the_closed_form() -> None:
    one, other = Moments(np.array([1.0]), np.array([[4.0]])), Moments(np.array([3.0]), np.array([[9.0]]))
    assert frechet_distance(one, other) == pytest.approx((1 - 3) ** 2 + (2 - 3) ** 2)


def test_frechet_distance_of_commuting_covariances_is_the_closed_form_even_where_they_are_singular() -> None:
    a, b = np.array([1.0, 4.0, 0.0]), np.array([9.0, 1.0, 4.0])
    got = frechet_distance(Moments(np.zeros(3), np.diag(a)), Moments(np.ones(3), np.diag(b)))
    assert got == pytest.approx(3 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum())


def test_frechet_distance_of_covariances_that_do_not_commute_agrees_with_scipys_matrix_root() -> None:
    from scipy.linalg import sqrtm

    one, other = moments(skewed(500, 16, 1)), moments(skewed(500, 16, 2, 0.3))
    cross = np.trace(sqrtm(one.covariance @ other.covariance)).real
    expected = ((one.mean - other.mean) ** 2).sum() + np.trace(one.covariance + other.covariance) - 2 * cross
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_is_symmetric_and_zero_for_equal_sets() -> None:
    one, other = moments(skewed(500, 16, 1)), moments(skewed(500, 16, 2, 0.3))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-9)


@pytest.mark.parametrize("n", [1000, 1013])
def test_the_resampled_fid_with_every_group_once_is_the_plain_fid(n: int) -> None:
    features, centre = skewed(n, 16, 3, 0.3), moments(skewed(900, 16, 0))
    plain = frechet_distance(moments(features), centre)
    assert frechet_statistic(features, centre)(ONCE)[0] == pytest.approx(plain, rel=1e-10)


def test_a_group_that_counts_twice_is_a_group_that_is_there_twice() -> None:
    features, centre = skewed(1000, 8, 3, 0.3), moments(skewed(900, 8, 0))
    weights = ONCE.copy()
    weights[0, 7], weights[0, 9] = 2, 0  # groups of two samples
    repeated = np.concatenate([features[:18], features[20:], features[14:16]])
    expected = frechet_distance(moments(repeated), centre)
    assert frechet_statistic(features, centre)(weights)[0] == pytest.approx(expected, rel=1e-10)


def test_fid_agrees_with_torchmetrics_on_the_same_features() -> None:
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    real, fake = skewed(3000, 64, 1), skewed(3000, 64, 2, 0.2)
    theirs = FrechetInceptionDistance(feature=_identity(64), normalize=True)
    theirs.set_dtype(torch.float64)
    theirs.update(torch.from_numpy(real), real=True)
    theirs.update(torch.from_numpy(fake), real=False)
    ours = frechet_statistic(fake, moments(real))(ONCE)[0]
    assert ours == pytest.approx(theirs.compute().item(), rel=1e-3)


def test_kid_of_whole_sets_agrees_with_torchmetrics_on_the_same_features() -> None:
    import torch
    from torchmetrics.image.kid import KernelInceptionDistance

    real, fake = skewed(400, 64, 1), skewed(400, 64, 2, 0.2)
    theirs = KernelInceptionDistance(feature=_identity(64), subsets=1, subset_size=400, normalize=True)
    theirs.update(torch.from_numpy(real).double(), real=True)
    theirs.update(torch.from_numpy(fake).double(), real=False)
    assert kid(fake, real, subsets=1, size=400) == pytest.approx(theirs.compute()[0].item(), rel=1e-3)


def test_kid_over_subsets_is_the_mean_of_torchmetrics_distance_over_the_same_subsets() -> None:
    import torch
    from torchmetrics.image.kid import poly_mmd

    real, fake = (torch.from_numpy(x).double() for x in (skewed(1300, 64, 1), skewed(1100, 64, 2, 0.2)))
    fakes, reals = draw_subsets(1100, 5, 300, 7, 0), draw_subsets(1300, 5, 300, 7, 1)
    theirs = np.mean([poly_mmd(real[b], fake[a]).item() for a, b in zip(fakes, reals, strict=True)])
    assert kid(fake.numpy(), real.numpy(), subsets=5, size=300, seed=7) == pytest.approx(theirs, rel=1e-3)


def test_kid_of_two_draws_of_one_distribution_is_near_zero_on_either_side() -> None:
    found = [kid(skewed(300, 8, s), skewed(300, 8, s + 50), subsets=1, size=300) for s in range(20)]
    apart = kid(skewed(300, 8, 1), skewed(300, 8, 2, 1.0), subsets=1, size=300)
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 0.02 * apart


def test_subsets_hold_no_index_twice_and_depend_on_seed_and_stream() -> None:
    drawn = draw_subsets(1000, 20, 300, 5, 0)
    assert all(len(set(row)) == 300 for row in drawn)
    assert 0 <= drawn.min() < drawn.max() < 1000
    assert not np.array_equal(drawn, draw_subsets(1000, 20, 300, 6, 0))
    assert not np.array_equal(drawn, draw_subsets(1000, 20, 300, 5, 1))
    # The very numbers: figures of years ago must be the same today.
    assert draw_subsets(1000, 1, 300, 5, 0)[0, :5].tolist() == [2, 5, 8, 12, 13]


def test_kid_subsets_larger_than_a_set_are_refused() -> None:
    with pytest.raises(BadInput, match="subsets of 500"):
        kernel_statistic(skewed(400, 8, 1), skewed(800, 8, 2), subsets=3, size=500, seed=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(value: float) -> None:
    broken = skewed(400, 8, 1)
    broken[3, 3] = value
    with pytest.raises(BadInput, match="NaN or infinity"):
        moments(broken)
    with pytest.raises(BadInput, match="NaN or infinity"):
        kernel_statistic(broken, skewed(400, 8, 2), subsets=1, size=100, seed=0)


@pytest.mark.parametrize("shape", [(1, 8), (8,), (0, 8), (2, 2, 2)])
def test_what_is_not_a_set_of_features_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="n >= 2"):
        moments(np.zeros(shape, np.float32))


def _identity(features: int) -> object:
    """A feature extractor for torchmetrics that takes features for images."""
    from torch import nn

    module = nn.Identity()
    module.num_features = features  # type: ignore[assignment]
    return module
