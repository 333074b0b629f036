"""Facts about processes: whether one that was written down is still there, and what this one runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

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


def processor() -> str:
    """This machine's kind of processor, in its own words."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def machine() -> str:
    """This machine's processor in words, with the cores that this process may use."""
    return f"{processor()}, {usable_cores()} usable cores"
