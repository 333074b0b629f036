"""Facts about processes: whether one that was written down is still there, and how many cores this one may use."""

from __future__ import annotations

import os

import psutil


def find(pid: int, started: float) -> psutil.Process | None:
    """The process ``pid`` that began at ``started`` (Unix time), if it still runs.

    Numbers are given out again; start times are not.
    """
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def usable_cores() -> int:
    """Cores that this process may run on, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
