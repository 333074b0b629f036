"""An outage in a log: one line when it begins and one when it is over, however often somebody looks."""

from __future__ import annotations

import time
from collections.abc import Callable


class OutageLog:
    """What is away now, of all that is looked at."""

    def __init__(self, say: Callable[[str], object]) -> None:
        """``say`` writes a line."""
        self._say = say
        self._began: dict[str, float] = {}

    def look(self, name: str, fault: str | None) -> None:
        """Tell that ``name`` has ``fault`` now; None: it has none."""
        if fault and name not in self._began:
            self._began[name] = time.monotonic()
            self._say(f"{name}: {fault}")
        elif not fault and name in self._began:
            self._say(f"{name}: back after {time.monotonic() - self._began.pop(name):.0f} s")
