"""How the benchmark of time to quality reads a run's curve (benchmarks/curves.py)."""

from __future__ import annotations

import pytest

from benchmarks.curves import Point, curve_of, seconds_to


def test_the_seconds_of_a_check_are_not_training() -> None:
    # 10 steps of 32 images in a second, but for the window after the check at step 20, which took ten more.
    windows = [(10, 320.0), (20, 320.0), (30, 320 / 11), (40, 320.0), (50, 320.0), (60, 160.0)]
    assert curve_of({20: 5.0, 50: 2.0}, windows, 32) == [
        Point(pytest.approx(2.0), 640, 5.0), Point(pytest.approx(5.0), 1600, 2.0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fid", "seconds"), [(8.0, 10.0), (6.0, 15.0), (4.0, 20.0), (3.0, 25.0), (2.0, 30.0), (1.0, None), (9.0, 10.0)]
)
def test_a_quality_is_reached_between_two_checks(fid: float, seconds: float | None) -> None:
    curve = [Point(10, 100, 8.0), Point(20, 200, 4.0), Point(30, 300, 2.0), Point(40, 400, 5.0)]
    assert seconds_to(curve, fid) == (None if seconds is None else pytest.approx(seconds))
