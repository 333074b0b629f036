"""Figures of rounds that took turns, printed alike."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, NoReturn

from ganlib.cli.app import set_environment_defaults
from ganlib.core.errors import GanlibError


class Figure(NamedTuple):
    """What was measured in each round."""

    what: str
    values: Sequence[float]
    limit: str = ""
    """What is promised of it, in words; empty: nothing is."""
    kept: bool | None = None
    """Whether that was kept; None: nothing is promised."""

    @property
    def verdict(self) -> str:
        """In words."""
        return "" if self.kept is None else "kept" if self.kept else "MISSED"


def at_most(what: str, values: Sequence[float], limit: float) -> Figure:
    """A figure whose median is promised to be ``limit`` or less."""
    return Figure(what, values, f"<= {limit:g}", statistics.median(values) <= limit)


def at_least(what: str, values: Sequence[float], limit: float) -> Figure:
    """A figure whose median is promised to be ``limit`` or more."""
    return Figure(what, values, f">= {limit:g}", statistics.median(values) >= limit)


def run(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Run a benchmark that works in a project, as a program; what is wrong with the project is one line."""
    set_environment_defaults()
    try:
        sys.exit(main(sys.argv[1:]))
    except GanlibError as error:
        sys.exit(str(error))


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """Median and range."""
    return f"{statistics.median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


def show(figures: Iterable[Figure]) -> int:
    """Print each as it comes, as a row of a table; 1 if a limit is missed."""
    misses = 0
    print("\n| | limit | median [range] over rounds | |\n|---|---|---|---|", flush=True)
    for figure in figures:
        values = f"{spread(figure.values)} over {len(figure.values)}"
        print(f"| {figure.what} | {figure.limit} | {values} | {figure.verdict} |", flush=True)
        misses |= figure.kept is False
    return misses
