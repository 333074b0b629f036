"""Where tasks report to: the flow run's log, and the terminal that started the flow, if one did."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ganlib.core import log_ids
from ganlib.core.events import Event, Facts
from ganlib.core.progress import Report, silent, words

if TYPE_CHECKING:
    from logging import Logger

    from prefect.logging.loggers import LoggingAdapter

_terminal: Report = silent
_LOG_EVERY = 5.0  # seconds between two lines of one stage


def use_terminal(report: Report) -> None:
    """From now on, tasks of this process report to ``report`` as well."""
    global _terminal
    _terminal = report


def reporter() -> Report:
    """Return the report of the task that calls this, or of the flow."""
    from prefect import get_run_logger
    from prefect.runtime import flow_run

    log_ids.note(flow_run_id=flow_run.id)
    return _TaskReport(get_run_logger(), _terminal)


class _TaskReport:
    """Tells the flow run's log, a line a stage now and then, and the terminal."""

    def __init__(self, logger: Logger | LoggingAdapter, terminal: Report) -> None:
        self._logger, self._terminal = logger, terminal
        self._last: dict[str, float] = {}

    def advance(self, stage: str, done: int, total: int, figures: Facts | None = None) -> None:
        self._terminal.advance(stage, done, total, figures)
        now = time.monotonic()
        if done < total and now - self._last.get(stage, -1e9) < _LOG_EVERY:
            return
        self._last[stage] = now
        share = f"{100 * done / total:.0f}% " if total else ""
        self._logger.info("%s: %s%s", stage, share, words(figures))

    def event(self, event: Event) -> None:
        self._terminal.event(event)
        self._logger.info("%s: %s", event.stage, words(event.facts))
