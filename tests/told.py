"""What a person who runs the tests is told: at the start how long they take, at the end what to do about the rest.

The last part of a reason for a skip, after a colon, says how to have the test run.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter

import pytest

MINUTES = 30
"""That all tests take on two cores with nothing else to do."""
_PROCESSES = 3  # as the Makefile starts them


def forecast(load: float, cores: int) -> str:
    """A line on how long all tests take beside ``load`` other processes that want to run."""
    slower = max(1.0, (load + _PROCESSES) / max(cores, _PROCESSES))
    said = f"All tests take about {MINUTES} minutes on two quiet cores; here are {cores}, with a load of {load:.1f} now"
    return said + (f": expect about {MINUTES * slower:.0f}." if slower > 1.2 else ".")


def again(nodeid: str) -> str:
    """The command that runs one test alone."""
    return f".venv/bin/python -m pytest {shlex.quote(nodeid)}"


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """How long it will take, where everything is to be run. Only the process that reports says so."""
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not (
        config.option.keyword or config.option.markexpr
    )
    if reporter and whole and not os.environ.get("PYTEST_XDIST_WORKER"):
        reporter.write_line(forecast(os.getloadavg()[0], len(os.sched_getaffinity(0))))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Skips by reason, and failures by the command that runs them alone."""
    skips = Counter(_reason(report) for report in terminalreporter.getreports("skipped"))
    bad = dict.fromkeys(report.nodeid for kind in ("failed", "error") for report in terminalreporter.getreports(kind))
    if skips:
        terminalreporter.section("not run here, and what they need")
        for reason, count in sorted(skips.items()):
            terminalreporter.write_line(f"{count} skipped: {reason}")
    if bad:
        terminalreporter.section("to run what failed alone")
        for nodeid in bad:
            terminalreporter.write_line(again(nodeid))


def _reason(report: pytest.TestReport) -> str:
    found = report.longrepr
    text = str(found[2]) if isinstance(found, tuple) else str(found)
    return " ".join(text.removeprefix("Skipped: ").split())
