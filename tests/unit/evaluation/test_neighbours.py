"""Neighbours and what is made of them, against their plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlib.evaluation.neighbours import balls, nearest, radii
from tests.unit.evaluation.conftest import skewed

K = 5


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """All of them, from differences."""
    a, b = x.astype(np.float64), y.astype(np.float64)
    return np.sqrt(np.square(a[:, None] - b[None]).sum(axis=2))


def plain(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """Precision and recall of Kynkäänniemi 2019, density and coverage of Naeem 2020, as their formulas say."""
    real_ball = np.sort(distances(real, real), axis=1)[:, k]  # column 0 is the point itself
    fake_ball = np.sort(distances(fake, fake), axis=1)[:, k]
    across = distances(real, fake)
    precision = (across <= real_ball[:, None]).any(axis=0).mean()
    recall = (across <= fake_ball[None]).any(axis=1).mean()
    density = (across <= real_ball[:, None]).sum(axis=0).mean() / k
    coverage = (across.min(axis=1) <= real_ball).mean()
    return precision, recall, density, coverage


def ours(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float, float, float]:
    there = balls(real, radii(real, k), fake)
    back = balls(fake, radii(fake, k), real)
    return (there.holding > 0).mean(), (back.holding > 0).mean(), there.holding.mean() / k, (there.fill > 0).mean()


@pytest.mark.parametrize("shift", [0.0, 0.3, 5.0])
def test_precision_recall_density_and_coverage_are_those_of_the_papers(shift: float) -> None:
    real, fake = skewed(1100, 32, 1), skewed(1300, 32, 2, shift)
    assert ours(real, fake, K) == pytest.approx(plain(real, fake, K), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(
    ("shift", "theirs"),
    [
        (0.0, (0.8761538461538462, 0.9081818181818182, 0.9792307692307693, 0.9836363636363636)),
        (0.3, (0.6238461538461538, 0.9681818181818181, 0.3555384615384616, 0.7027272727272728)),
    ],
)
def test_they_are_those_of_the_reference_package(shift: float, theirs: tuple[float, ...]) -> None:
    """What prdc 0.2, the package of Naeem 2020, gives for the same features."""
    assert ours(skewed(1100, 32, 1), skewed(1300, 32, 2, shift), K) == pytest.approx(theirs, rel=1e-3)


def test_they_hold_where_features_lie_far_from_the_origin_and_close_to_each_other() -> None:
    real, fake = 300 + skewed(300, 16, 1) / 100, 300 + skewed(300, 16, 2, 0.1) / 100
    assert ours(real, fake, K) == pytest.approx(plain(real, fake, K), rel=1e-3)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(12, 60), d=st.integers(1, 5), k=st.integers(1, 5), seed=st.integers(0, 10**6), grain=st.booleans())
def test_a_set_against_itself_and_growing_balls(n: int, d: int, k: int, seed: int, grain: bool) -> None:
    values = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    values = values.round() if grain else values  # many equal points, many ties
    assert ours(values, values, k)[:2] == (1, 1)
    assert ours(values, values, k)[3] == 1
    other = values[::-1] + np.float32(0.5)
    few, many = (balls(values, radii(values, each), other) for each in (k, k + 1))
    assert (few.holding <= many.holding).all()
    assert (few.fill <= many.fill).all()


def test_precision_falls_as_images_move_away_and_a_half_that_is_lost_costs_recall() -> None:
    real = skewed(500, 16, 1)
    precisions = [ours(real, skewed(500, 16, 2) + np.float32(step), K)[0] for step in (0, 0.5, 1, 3)]
    assert precisions == sorted(precisions, reverse=True)
    assert precisions[0] > 0.5
    assert precisions[-1] == 0
    middle = np.median(real[:, 0])
    lost = skewed(1500, 16, 3)
    kept = lost[lost[:, 0] > middle][:500]
    assert ours(real, kept, K)[1] < ours(real, lost[:500], K)[1]


def test_the_nearest_is_found_both_ways_over_the_borders_of_blocks() -> None:
    queries, points = skewed(1203, 8, 1), skewed(5407, 8, 2)
    queries[7] = points[5400]
    found, plainly = nearest(queries, points), distances(queries, points)
    assert found.distance == pytest.approx(plainly.min(axis=1), rel=1e-6)
    assert found.back == pytest.approx(plainly.min(axis=0), rel=1e-6)
    assert found.distance[7] == 0
    assert plainly[np.arange(1203), found.point] == pytest.approx(found.distance, rel=1e-6)


def test_the_radius_is_that_of_the_kth_other_point() -> None:
    points = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert radii(points, 1).tolist() == [1, 1, 2, 4]
    assert radii(points, 2).tolist() == [3, 2, 3, 6]
