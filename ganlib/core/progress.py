"""How jobs tell what they are doing: by two verbs, in three renderings (terminal, plain lines, JSON objects).

Work that reports nothing is not silent either: a thread of its own repaints the terminal, or writes a line, for as long
as it lasts (:class:`Pulse`), and :func:`doing` gives it a name.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import takewhile
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType

from ganlib.core import events, log_ids
from ganlib.core.events import Event, Facts, Remark
from ganlib.core.redact import redacted


class Report(Protocol):
    """Whoever a job tells how far it is, and what has happened."""

    def advance(self, stage: str, done: int, total: int, figures: Facts | None = None) -> None:
        """Say that ``done`` of ``total`` units of ``stage`` are finished, with figures such as losses."""

    def event(self, event: Event) -> None:
        """Say that something has happened, once."""


class _Silent:
    def advance(self, stage: str, done: int, total: int, figures: Facts | None = None) -> None:
        pass

    def event(self, event: Event) -> None:
        pass


silent: Report = _Silent()
"""Tells nobody."""


class TitledReport:
    """Passes everything on under one name in place of the stages' own."""

    def __init__(self, report: Report, title: str) -> None:
        """``report`` hears of ``title``."""
        self._report, self._title = report, title

    def advance(self, stage: str, done: int, total: int, figures: Facts | None = None) -> None:
        """See :class:`Report`."""
        self._report.advance(self._title, done, total, figures)

    def event(self, event: Event) -> None:
        """See :class:`Report`."""
        self._report.event(Remark(self._title, event.facts))


def pass_on(record: Mapping[str, Any], report: Report) -> bool:
    """Report what another process has written as a JSON object (:class:`Lines`); false if it is nothing of the kind.

    Raises:
        KeyError, TypeError: a field is missing, or one too many.
    """
    with log_ids.split(record) as content:
        if content.get("event") == "progress":
            figures = {key: value for key, value in content.items() if key not in ("event", "stage", "done", "total")}
            report.advance(content["stage"], content["done"], content["total"], figures)
        elif (event := events.from_json(content)) is not None:
            report.event(event)
        else:
            return False
    return True


def words(facts: Facts | None) -> str:
    """Return facts on a line: four digits of a fraction, and no power of ten for what is large."""

    def number(value: float) -> str:
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:,.4g}"

    return " ".join(f"{k} {number(v)}" if isinstance(v, float) else f"{k} {v}" for k, v in (facts or {}).items())


_doing: dict[object, str] = {}
"""What this process does just now, by whoever noted it; several threads may."""


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Name what happens inside, for whoever waits: shown after a second of silence, and gone when it is done."""
    note = object()
    _doing[note] = what
    try:
        yield
    finally:
        _doing.pop(note, None)


def current() -> str:
    """Return what :func:`doing` was told last, of what is still going on; else the command."""
    notes = list(_doing.values())
    return notes[-1] if notes else " ".join(takewhile(lambda word: word[:1] != "-", sys.argv[1:]))[:60] or "at work"


class Pulse:
    """Calls ``beat(what, seconds)`` from a thread of its own when nothing was said for ``every`` seconds, and again."""

    def __init__(self, beat: Callable[[str, float], None], every: float) -> None:
        """Nothing happens before :meth:`start`."""
        self._beat, self._every = beat, every
        self._last = self._news = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="pulse")

    def start(self) -> None:
        """Count the silence from now on."""
        self.touch()
        self._thread.start()

    def touch(self) -> None:
        """Count the silence anew: something else was said just now."""
        self._last = self._news = time.monotonic()

    def stop(self) -> None:
        """No beat comes after this."""
        self._end.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(max(0.05, self._last + self._every - time.monotonic())):
            now = time.monotonic()
            if now - self._last >= self._every:
                self._last = now
                self._beat(current(), now - self._news)


class Lines(AbstractContextManager["Lines"]):
    """Plain or JSON lines, at most one a stage in ``every`` seconds, always one when a stage ends.

    While nothing is reported, a line in as many seconds says what goes on: JSON's event ``working``.
    """

    def __init__(self, stream: TextIO | None = None, *, as_json: bool = False, every: float = 5.0) -> None:
        """``stream`` defaults to standard error, so that standard output stays machine-readable."""
        self._stream, self._json, self._every = stream or sys.stderr, as_json, every
        self._last: dict[str, float] = {}
        self._pulse = Pulse(self._still, every)

    def __enter__(self) -> Lines:
        """Begin to watch for silence."""
        self._pulse.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """No line comes after this."""
        self._pulse.stop()

    def advance(self, stage: str, done: int, total: int, figures: Facts | None = None) -> None:
        """See :class:`Report`."""
        now = time.monotonic()
        if done < total and now - self._last.get(stage, -1e9) < self._every:
            return
        self._last[stage] = now
        self._pulse.touch()
        if self._json:
            self._object({"event": "progress", "stage": stage, "done": done, "total": total, **(figures or {})})
        else:
            share = f"{100 * done / total:3.0f}%" if total else f"{done:,}"
            self._write(f"  {stage}: {share} {words(figures)}".rstrip())

    def event(self, event: Event) -> None:
        """See :class:`Report`."""
        self._pulse.touch()
        if self._json:
            self._object(events.to_json(event))
        else:
            self._write(f"  {event.stage}: {words(event.facts)}".rstrip())

    def _still(self, what: str, seconds: float) -> None:
        if self._json:
            self._object({"event": "working", "what": what, "seconds": round(seconds, 1)})
        else:
            self._write(f"  {what} ... ({seconds:.0f} s)")

    def _object(self, record: Mapping[str, Any]) -> None:
        self._write(json.dumps({**record, **log_ids.fields()}))

    def _write(self, line: str) -> None:
        with suppress(BrokenPipeError):  # whoever read this has gone, which is no reason for a job to fail
            print(redacted(line), file=self._stream, flush=True)


class Bars(AbstractContextManager["Bars"]):
    """Live bars on a terminal: stage, share, elapsed, ETA, facts; below them what goes on that has no bar."""

    def __init__(self) -> None:
        """Nothing is drawn before the start."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.spinner import Spinner

        bars, spinner = self, Spinner("line")

        class Stages(Progress):
            def get_renderables(self) -> Iterator[RenderableType]:
                yield from super().get_renderables() if self.tasks else ()
                if line := bars.still():
                    spinner.update(text=line)
                    yield spinner

        self._news: float | None = time.monotonic()
        # A result that is piped must not end on the terminal, which is where rich would put what it redirects.
        self._bars = Stages(
            TextColumn("{task.description}"), BarColumn(bar_width=24), TaskProgressColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[facts]}", style="dim"), console=Console(stderr=True),
            redirect_stdout=sys.stdout.isatty(),
        )  # fmt: skip
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Bars:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the finished bars on the screen, and nothing else."""
        self._news = None
        self._bars.live.transient = not self._tasks
        self._bars.stop()

    def event(self, event: Event) -> None:
        """See :class:`Report`."""
        self._news = time.monotonic()
        self._bars.console.print(f"  {event.stage}: {redacted(words(event.facts))}", markup=False, highlight=False)

    def advance(self, stage: str, done: int, total: int, figures: Facts | None = None) -> None:
        """See :class:`Report`."""
        self._news = time.monotonic()
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total or None, facts="")
        self._bars.update(self._tasks[stage], completed=done, total=total or None, facts=redacted(words(figures)))

    def still(self) -> str:
        """Return what goes on, once there was no report for a second; else nothing."""
        silence = 0.0 if self._news is None else time.monotonic() - self._news
        return f"{current()} ... {silence:.0f} s" if silence >= 1 else ""


class Terminal:
    """What somebody at a terminal sees of a process that reports nothing yet: imports, connections, lookups."""

    def __init__(self) -> None:
        """Nothing is drawn, and rich is not imported, in the first half second: many commands are done by then."""
        self._bars: Bars | None = None
        self._pulse = Pulse(lambda what, seconds: self._draw(), 0.5)
        self._pulse.start()

    def _draw(self) -> None:
        self._bars = self._bars or Bars().__enter__()

    def end(self) -> None:
        """Clear what was drawn, and draw nothing any more."""
        self._pulse.stop()
        if self._bars is not None:
            self._bars.__exit__(None, None, None)


_terminal: Terminal | None = None


def watch() -> None:
    """From now on, show on a terminal that this process is at work; without one, nothing happens.

    Of torchrun's processes, which share a terminal, the first one shows it for all.
    """
    global _terminal
    if _terminal is None and _on_terminal() and os.environ.get("RANK", "0") == "0":
        _terminal = Terminal()


def unwatch() -> None:
    """End what :func:`watch` began: a result, an error or another display is about to be shown."""
    global _terminal
    terminal, _terminal = _terminal, None
    if terminal is not None:
        terminal.end()


def console(*, as_json: bool = False) -> Bars | Lines:
    """Choose the display: bars on a terminal, a line in five seconds elsewhere, JSON objects on request."""
    unwatch()
    if as_json or wants_json():
        return Lines(as_json=True, every=1.0)
    return Bars() if _on_terminal() else Lines()


def wants_json() -> bool:
    """Return whether the environment asks for a log of JSON lines: GANLIB_LOG=json."""
    return os.environ.get("GANLIB_LOG") == "json"


def _on_terminal() -> bool:
    """Whether somebody looks at standard error, on what can be drawn on."""
    return not wants_json() and sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
