"""Where tasks report to: the terminal that started the flow, or else the flow run's log."""

from __future__ import annotations

import time

from ganlib.progress import Facts, Report, words

_terminal: Report | None = None
_LOG_EVERY = 5.0  # seconds between two lines of one stage


def use_terminal(report: Report) -> None:
    """From now on, tasks of this process report to ``report``."""
    global _terminal
    _terminal = report


def reporter() -> Report:
    """The report of the task that calls this."""
    if _terminal is not None:
        return _terminal
    from prefect import get_run_logger

    logger = get_run_logger()
    last: dict[str, float] = {}

    def log(stage: str, done: int, total: int, facts: Facts | None = None) -> None:
        now = time.monotonic()
        if done < total and now - last.get(stage, -1e9) < _LOG_EVERY:
            return
        last[stage] = now
        share = f"{100 * done / total:.0f}% " if total else ""
        logger.info("%s: %s%s", stage, share, words(facts))

    return log
