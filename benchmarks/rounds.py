"""Figures of rounds that took turns, printed alike."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """What was measured in each round."""

    what: str
    values: Sequence[float]
    kept: bool | None = None
    """Whether its limit was; None: nothing is promised of it."""


def show(figures: Iterable[Figure]) -> int:
    """Print each as it comes, median and range over the rounds; 1 if a limit is missed."""
    missed = 0
    for what, values, kept in figures:
        verdict = "" if kept is None else "kept" if kept else "MISSED"
        spread = f"{statistics.median(values):5.2f}  [{min(values):.2f}, {max(values):.2f}] over {len(values)} rounds"
        print(f"{what:78} {spread}  {verdict}".rstrip(), flush=True)
        missed |= kept is False
    return missed
