"""Drawings keep to their frame, whatever is to be drawn."""

from __future__ import annotations

import math

import pytest

from ganlib.evaluation.bootstrap import Interval
from ganlib.jobs.gallery import drawings
from ganlib.jobs.gallery.drawings import Origin


@pytest.mark.parametrize(
    "curve",
    [
        {1: 1.0},
        {100: 3.0, 200: 3.0},
        {1: -5.0, 2: 0.0, 3: 5.0},
        {1: 1000.0, 5000: 0.01},
        {1: 1.0, 2: math.nan, 3: math.inf, 4: 2.0},
        {step: math.sin(step) for step in range(5000)},
        {1: 0.0, 2: 1e-12},
    ],
)
def test_a_chart_keeps_to_its_frame_and_ends_where_its_curve_does(curve: dict[int, float]) -> None:
    chart = drawings.chart("a", {"a": curve, "b": {}})
    assert chart is not None
    points = [tuple(map(float, pair.split(","))) for pair in chart.lines[0].points.split()]
    assert 1 <= len(points) <= 400
    assert all(drawings.LEFT <= x <= drawings.WIDTH - drawings.RIGHT for x, _ in points)
    assert all(drawings.TOP <= y <= drawings.HEIGHT - drawings.BOTTOM for _, y in points)
    assert len(curve) == 1 or points[-1][0] == drawings.WIDTH - drawings.RIGHT
    assert len(chart.y) <= 20
    assert all(drawings.TOP <= tick.place <= drawings.HEIGHT - drawings.BOTTOM for tick in chart.y)


def test_nothing_to_draw_is_no_chart() -> None:
    assert drawings.chart("a", {}) is None
    assert drawings.chart("a", {"a": {1: math.nan}}) is None


def test_bars_share_a_scale_that_shows_the_best_beside_the_worst() -> None:
    good, better, bad = (Interval(value=x, low=0.9 * x, high=1.1 * x) for x in (2.0, 1.0, 100.0))
    for intervals in ([good, better, None], [good, better, bad]):
        scale = drawings.bar_scale(intervals)
        bars = [drawings.bar(scale, each) for each in intervals]
        first, second, third = bars
        assert first
        assert second
        assert second.low < second.value < second.high < first.low < first.value < first.high
        assert (third is None) == (intervals[2] is None)
        assert all(0 <= place <= 200 for each in bars if each for place in each)
    assert drawings.bar(drawings.bar_scale([]), Interval(value=math.nan, low=0, high=1)) is None


def test_a_lineage_has_a_box_for_each_thing_and_no_two_in_one_place() -> None:
    origins = [
        Origin("data a", "run 1", "version 3", "3", False),
        Origin("data b", "run 2", "version 2", "2", True),
        Origin("data a", "run 1", "version 1", "1", False),
    ]
    tree = drawings.lineage(origins)
    assert [node.text for node in tree.nodes].count("champion") == 1
    assert len(tree.nodes) == 2 + 2 + 3 + 1
    assert len(tree.edges) == 2 + 3 + 1
    assert len({(node.x, node.y) for node in tree.nodes}) == len(tree.nodes)
    assert all(node.y - tree.box[1] / 2 >= 0 and node.y + tree.box[1] / 2 <= tree.height for node in tree.nodes)
