"""How long jobs tell what they are doing: one callable, three renderings (terminal, plain lines, JSON events)."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any, Protocol, TextIO

from ganlib.redact import redacted

Facts = Mapping[str, float | int | str]


class Report(Protocol):
    """Called by a job as it goes on: ``done`` of ``total`` units of ``stage``, with facts such as losses."""

    def __call__(self, stage: str, done: int, total: int, facts: Facts | None = None) -> None:
        """Report that ``done`` of ``total`` units of ``stage`` are finished; 0 of 0 is a remark about it."""


def silent(stage: str, done: int, total: int, facts: Facts | None = None) -> None:
    """A :class:`Report` that says nothing."""


def words(facts: Facts | None) -> str:
    """Facts on a line: four digits of a fraction, and no power of ten for what is large."""

    def number(value: float) -> str:
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:,.4g}"

    return " ".join(f"{k} {number(v)}" if isinstance(v, float) else f"{k} {v}" for k, v in (facts or {}).items())


class Lines(AbstractContextManager["Lines"]):
    """Plain or JSON lines, at most one a stage in ``every`` seconds, always one when a stage ends."""

    def __init__(self, stream: TextIO | None = None, *, as_json: bool = False, every: float = 5.0) -> None:
        """``stream`` defaults to standard error, so that standard output stays machine-readable."""
        self._stream, self._json, self._every = stream or sys.stderr, as_json, every
        self._last: dict[str, float] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    def __call__(self, stage: str, done: int, total: int, facts: Facts | None = None) -> None:
        """See :class:`Report`."""
        now = time.monotonic()
        if done < total and now - self._last.get(stage, -1e9) < self._every:
            return
        self._last[stage] = now
        if self._json:
            event: dict[str, Any] = {"event": "progress", "stage": stage, "done": done, "total": total, **(facts or {})}
            line = json.dumps(event)
        else:
            share = f"{100 * done / total:3.0f}%" if total else f"{done:,}" if done else ""
            line = f"  {stage}: {share} {words(facts)}".rstrip()
        with suppress(BrokenPipeError):  # whoever read this has gone, which is no reason for a job to fail
            print(redacted(line), file=self._stream, flush=True)


class Bars(AbstractContextManager["Bars"]):
    """Live bars on a terminal: stage, share, elapsed, ETA, facts."""

    def __init__(self) -> None:
        """Nothing is drawn before the first report."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=24), TaskProgressColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[facts]}", style="dim"), console=Console(stderr=True),
        )  # fmt: skip
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Bars:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the finished bars on the screen."""
        self._bars.stop()

    def __call__(self, stage: str, done: int, total: int, facts: Facts | None = None) -> None:
        """See :class:`Report`."""
        if not done and not total:
            self._bars.console.print(f"  {stage}: {redacted(words(facts))}", markup=False, highlight=False)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total or None, facts="")
        self._bars.update(self._tasks[stage], completed=done, total=total or None, facts=redacted(words(facts)))


def console(*, as_json: bool = False) -> Bars | Lines:
    """What the command line uses: bars on a terminal, a line in five seconds elsewhere, JSON events on request."""
    if as_json:
        return Lines(as_json=True, every=1.0)
    return Bars() if sys.stderr.isatty() else Lines()
