"""FID over seconds of training: points, and when a curve is at a quality."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_NEIGHBOURS = 3
"""Windows on either side that say how long one with a check in it would have been without."""


class Point(NamedTuple):
    """What a check found."""

    seconds: float
    images: int
    fid: float


def seconds_to(curve: Sequence[Point], fid: float) -> float | None:
    """Seconds until a curve is at ``fid``, on the line between two checks; None if it never is."""
    for before, after in itertools.pairwise(curve):
        if after.fid <= fid < before.fid:
            share = (before.fid - fid) / (before.fid - after.fid)
            return before.seconds + share * (after.seconds - before.seconds)
    return curve[0].seconds if curve and curve[0].fid <= fid else None


def curve_of(fids: Mapping[int, float], windows: Sequence[tuple[int, float]], size: float) -> list[Point]:
    """The checks of a run, over seconds of training alone.

    Args:
        fids: what each check found, by its step.
        windows: steps at which the losses were read, each with the images a second since the one before. A window that
            began with a check has the check's seconds in it, and counts as long as the median of those around it.
        size: of a batch.
    """
    durations = []
    for place, (step, speed) in enumerate(windows):
        since = windows[place - 1][0] if place else 0
        if any(since <= check < step for check in fids):
            around = windows[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]
            speed = statistics.median(other for _, other in around)
        durations.append((step, (step - since) * size / speed))
    return [
        Point(sum(seconds for step, seconds in durations if step <= check), round(check * size), fid)
        for check, fid in sorted(fids.items())
    ]
