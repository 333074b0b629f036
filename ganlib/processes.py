"""Whether a process that was written down is still there: numbers are given out again, start times are not."""

from __future__ import annotations

import psutil


def find(pid: int, started: float) -> psutil.Process | None:
    """The process ``pid`` that began at ``started`` (Unix time), if it still runs."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None
