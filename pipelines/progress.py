"""Where tasks report to: the flow run's log, and the terminal that started the flow, if one did."""

from __future__ import annotations

import time

from ganlib.core.progress import Facts, Report, silent, words

_terminal: Report = silent
_LOG_EVERY = 5.0  # seconds between two lines of one stage


def use_terminal(report: Report) -> None:
    """From now on, tasks of this process report to ``report`` as well."""
    global _terminal
    _terminal = report


def flow_reporter() -> Report:
    """The terminal that started the flow, for what a flow does itself."""
    return _terminal


def reporter() -> Report:
    """The report of the task that calls this."""
    from prefect import get_run_logger

    logger, terminal = get_run_logger(), _terminal
    last: dict[str, float] = {}

    def report(stage: str, done: int, total: int, facts: Facts | None = None) -> None:
        terminal(stage, done, total, facts)
        now = time.monotonic()
        if done < total and now - last.get(stage, -1e9) < _LOG_EVERY:
            return
        last[stage] = now
        share = f"{100 * done / total:.0f}% " if total else ""
        logger.info("%s: %s%s", stage, share, words(facts))

    return report
