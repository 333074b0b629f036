"""Where things stand in a gallery's drawings, in the units of their SVG; templates write the elements."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from ganlib.evaluation.bootstrap import Interval

WIDTH, HEIGHT = 720, 260
"""Of a chart."""
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 12, 30
"""Margins of a chart, for its ticks."""
_MOST_POINTS = 400  # of a line; a screen shows no more
_WIDE = 30.0  # from such a ratio of the highest to the lowest value on, the scale is logarithmic
_BAR_WIDTH, _BAR_MARGIN = 200, 5  # of the bars of a leaderboard
_ROW, _NODE_WIDTH, _NODE_HEIGHT = 44, 190, 32  # of a picture of lineage
_COLUMN = 240  # from one kind of node to the next


class AxisScale(NamedTuple):
    """From values to places."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of ``value``."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return round(self.start + (value - low) / ((high - low) or 1) * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Return some round values from end to end."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        else:
            step = _round_step((self.high - self.low) / 5)
            values = [number * step for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return [value for value in values if self.low <= value <= self.high]


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, and at least ``least``."""
    power = 10.0 ** math.floor(math.log10(least or 1))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least or factor == 10)


class Tick(NamedTuple):
    """A value on an axis."""

    place: float
    text: str


class ChartLine(NamedTuple):
    """One curve."""

    name: str
    points: str
    """As the attribute of an SVG polyline."""


class Chart(NamedTuple):
    """Curves over training steps."""

    title: str
    lines: Sequence[ChartLine]
    x: Sequence[Tick]
    y: Sequence[Tick]
    logarithmic: bool


def chart(title: str, curves: Mapping[str, Mapping[int, float]]) -> Chart | None:
    """Return a chart of ``curves``, values by step, by their names; None if there is nothing to draw."""
    points = {name: _points(curve) for name, curve in curves.items()}
    values = [value for line in points.values() for _, value in line]
    if not values:
        return None
    steps = [step for line in points.values() for step, _ in line]
    low, high = min(values), max(values)
    wide = low > 0 and high / low > _WIDE
    x = AxisScale(min(steps), max(steps), LEFT, WIDTH - RIGHT)
    y = AxisScale(low, high if high > low else low + 1, HEIGHT - BOTTOM, TOP, wide)
    return Chart(
        title=title,
        lines=[
            ChartLine(name, " ".join(f"{x(step)},{y(value)}" for step, value in line)) for name, line in points.items()
        ],
        x=[Tick(x(value), f"{value:,.0f}") for value in x.ticks()],
        y=[Tick(y(value), f"{value:,.4g}") for value in y.ticks()],
        logarithmic=wide,
    )


def _points(curve: Mapping[int, float]) -> list[tuple[int, float]]:
    """In order, without what is no number, and no more than a screen shows, the last one among them."""
    points = [(step, value) for step, value in sorted(curve.items()) if math.isfinite(value)]
    every = -(-len(points) // _MOST_POINTS) or 1
    return points[::-every][::-1]


class Bar(NamedTuple):
    """A figure and its interval."""

    low: float
    value: float
    high: float


def bar_scale(intervals: Sequence[Interval | None]) -> AxisScale:
    """Return one scale for all of ``intervals``: from nought, or logarithmic where one is many times another."""
    ends = [end for each in intervals if each for end in (each.low, each.value, each.high) if math.isfinite(end)]
    low, high = min(ends, default=0), max(ends, default=1)
    wide = low > 0 and high / low > _WIDE
    return AxisScale(low if wide else 0, high or 1, _BAR_MARGIN, _BAR_WIDTH - _BAR_MARGIN, wide)


def bar(scale: AxisScale, interval: Interval | None) -> Bar | None:
    """Return the bar of ``interval`` on ``scale``; None if there is none to draw."""
    if interval is None or not all(map(math.isfinite, (interval.low, interval.value, interval.high))):
        return None
    return Bar(scale(interval.low), scale(interval.value), scale(interval.high))


class Node(NamedTuple):
    """A box in a picture of lineage, by the middle of its left edge."""

    text: str
    x: float
    y: float
    href: str | None = None


@dataclass(frozen=True)
class Lineage:
    """Which data and run each version came from, and which version is champion."""

    width: int
    height: int
    nodes: Sequence[Node]
    edges: Sequence[str]
    """Each as the attribute ``d`` of an SVG path."""
    box: tuple[int, int] = (_NODE_WIDTH, _NODE_HEIGHT)


class Origin(NamedTuple):
    """One version's way."""

    data: str
    run: str
    version: str
    href: str
    is_champion: bool


def lineage(origins: Sequence[Origin]) -> Lineage:
    """Return a picture of ``origins``: data version, run, version and champion from left to right."""
    rows = {origin.version: _ROW * at + _ROW / 2 for at, origin in enumerate(origins)}
    runs = _means((origin.run, rows[origin.version]) for origin in origins)
    data = _means((origin.data, rows[origin.version]) for origin in origins)
    nodes = [Node(text, 0, y) for text, y in data.items()]
    nodes += [Node(text, _COLUMN, y) for text, y in runs.items()]
    nodes += [Node(origin.version, 2 * _COLUMN, rows[origin.version], origin.href) for origin in origins]
    nodes += [Node("champion", 3 * _COLUMN, rows[origin.version]) for origin in origins if origin.is_champion]
    ends = {(0, data[origin.data], runs[origin.run]): None for origin in origins}
    ends |= {(1, runs[origin.run], rows[origin.version]): None for origin in origins}
    ends |= {(2, rows[each.version], rows[each.version]): None for each in origins if each.is_champion}
    height = _ROW * len(origins)
    return Lineage(3 * _COLUMN + _NODE_WIDTH, height, nodes, [_edge(*each) for each in ends])


def _means(places: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The mean place of each name; equal ones step apart, by the order in which they come."""
    by_name: dict[str, list[float]] = {}
    for name, place in places:
        by_name.setdefault(name, []).append(place)
    means: dict[str, float] = {}
    for name, values in sorted(by_name.items(), key=lambda item: fmean(item[1])):
        least = max(means.values(), default=-math.inf) + _ROW
        means[name] = max(fmean(values), least)
    return means


def _edge(column: int, start: float, end: float) -> str:
    left, right = column * _COLUMN + _NODE_WIDTH, (column + 1) * _COLUMN
    middle = (left + right) / 2
    return f"M{left},{start}C{middle},{start} {middle},{end} {right},{end}"
