"""Watches what `make up` has started: what ends is started again, logs are kept small, outages are told.

All that it does is what a person would: `make up` again, after pauses that double from a second to a minute.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from ganlib import config
from ganlib.config import ServicesConfig
from ganlib.core import project as projects
from ganlib.core.errors import GanlibError, Unavailable
from ganlib.core.progress import silent
from ganlib.core.project import Project
from pipelines import children, services, teams
from pipelines.outages import OutageLog

_LOG_BYTES = 5_000_000
_COPIES = 3
_SHORTEST, _LONGEST = 1.0, 60.0
_PATIENCE = 3  # looks without an answer that are an outage
_logger = logging.getLogger(__name__)


class Supervisor:
    """Looks after the services of one project."""

    def __init__(self, project: Project, settings: ServicesConfig, clock: Callable[[], float] = time.monotonic) -> None:
        """``settings`` are those that `make up` had; ``clock`` tells seconds."""
        self._project, self._settings, self._clock = project, settings, clock
        self._outages = OutageLog(_logger.warning)
        self._pause = _SHORTEST
        self._last = -_LONGEST
        self._reason = ""
        self._misses: Counter[str] = Counter()

    def look(self) -> None:
        """Look once: at the logs, at the processes, and whether the servers answer."""
        rotate(children.logs(self._project))
        try:
            with services.alone(self._project, patience=0):
                losses = self._ended()
        except Unavailable:  # a person starts or stops something just now
            return
        for name, reason in losses.items():
            self._outages.look(name, f"{reason}; it is started again")
        if losses:
            self._start()
        elif self._clock() - self._last > _LONGEST:
            self._pause = _SHORTEST
        for name, fault in self._faults():
            self._outages.look(name, fault)

    def _ended(self) -> dict[str, str]:
        alive, records = children.running(self._project), children.recorded(self._project)
        names = services.starters(self._project, self._settings, records, alive).keys() - {services.SUPERVISOR}
        return {name: f"ended (pid {records[name]['pid']})" for name in names if name in records and name not in alive}

    def _start(self) -> None:
        """Start what has ended, unless the last attempt was too short a time ago."""
        if self._clock() - self._last < self._pause:
            return
        reason = ""
        try:
            services.start(self._project, self._settings, silent)
        except (GanlibError, OSError) as error:
            reason = str(error)
            if reason != self._reason:  # once, however often it is tried
                _logger.warning("%s It is tried again, at the latest every %.0f s.", reason, _LONGEST)
        self._reason = reason
        self._pause = min(2 * self._pause, _LONGEST)
        self._last = self._clock()

    def _faults(self) -> Iterator[tuple[str, str | None]]:
        """What is wrong with each that has not ended: an answer may come late once or twice on a busy machine."""
        alive = children.running(self._project)
        for name, url in teams.apis(self._settings, alive).items():
            self._misses[name] = 0 if children.answers(f"{url}/health") else self._misses[name] + 1
            if self._misses[name] in (0, _PATIENCE):
                yield name, f"{url} does not answer" if self._misses[name] else None
        if "deployments" in alive:
            yield "deployments", None


def rotate(folder: Path, most: int = _LOG_BYTES, copies: int = _COPIES) -> None:
    """Put each log in ``folder`` that has more than ``most`` bytes aside as NAME.log.1; ``copies`` of them stay.

    It is copied and emptied: the service has the file itself open, and writes on at its end.
    """
    for log in folder.glob("*.log"):
        if log.stat().st_size <= most:
            continue
        for number in range(copies - 1, 0, -1):
            former = log.with_name(f"{log.name}.{number}")
            if former.exists():
                former.replace(log.with_name(f"{log.name}.{number + 1}"))
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)


def main() -> None:
    """Look every two seconds until the process is told to end, by `make down`."""
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    project = projects.find()
    one, outages = Supervisor(project, config.servers(project)), OutageLog(_logger.warning)
    while not threading.Event().wait(2.0):
        fault = None
        try:
            one.look()
        except Exception as error:  # whatever it is, the next look may succeed, and nobody else looks
            fault = f"{type(error).__name__}: {error}"
        outages.look("the supervisor", fault)
