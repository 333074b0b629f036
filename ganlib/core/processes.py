"""Facts about processes: whether one that was written down is still there, and what this one runs on."""

from __future__ import annotations

import json
import os
import platform
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from ganlib.core.threads import cpu_quota, visible_cores
from ganlib.core.threads import usable_cores as usable_cores  # where callers look for it


class Identity(NamedTuple):
    """What tells a process from any other that has or had its number, on any machine.

    Numbers are given out again; the moment of a start is not. No clock is asked for it: one that is set, by NTP or by a
    person, moves every time that is computed from it, also of what happened before.
    """

    host: str
    machine: str
    """systemd's id of the installation; empty where there is none, as in most containers."""
    namespace: str
    """The one that process numbers mean something in, which each container has of its own; empty outside Linux."""
    boot: str
    """Linux's id of the machine's current run; empty elsewhere."""
    pid: int
    started: float
    """Clock ticks between the boot and the process's start; where ``boot`` is empty: Unix time, as psutil tells it."""


def identity(pid: int | None = None) -> Identity:
    """Of process ``pid`` (default: this one), to be written down.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    pid = pid or os.getpid()
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:  # not Linux
        namespace = ""
    boot = _text("/proc/sys/kernel/random/boot_id")
    start = _ticks(pid) if boot else psutil.Process(pid).create_time()
    return Identity(socket.gethostname(), _text("/etc/machine-id"), namespace, boot, pid, start)


def find(record: Mapping[str, Any]) -> psutil.Process | None:
    """Find the process that ``record`` (fields of an :class:`Identity`) names, if it runs and can be seen from here.

    Raises:
        KeyError, TypeError: it names no process.
    """
    pid, start = record["pid"], record["started"]
    if elsewhere(record) or rebooted(record):
        return None
    try:
        process = psutil.Process(pid)
        same = _ticks(pid) == start if _by_ticks(record) else _started_then(process, record)
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def is_dead(tag: str) -> bool:
    """Return whether ``tag``, the fields of an :class:`Identity` as JSON, names one of here that is not there."""
    try:
        fields = json.loads(tag)
        names = Identity._fields if len(fields) > 3 else ("host", "pid", "started")  # as earlier versions did
        record = dict(zip(names, fields, strict=True))
        return not elsewhere(record) and find(record) is None
    except (ValueError, TypeError, KeyError):
        return False


def elsewhere(record: Mapping[str, Any]) -> bool:
    """Return whether ``record`` is of another machine or container, whose processes cannot be seen from here."""
    here = identity()._asdict()
    return any(record.get(key, here[key]) != here[key] for key in ("host", "machine", "namespace"))


def rebooted(record: Mapping[str, Any]) -> bool:
    """Say whether this machine was started anew since ``record`` was written; no, where the record does not tell."""
    return _by_ticks(record) and record["boot"] != identity().boot


def clock() -> tuple[str, float]:
    """Tell this run of the machine, and seconds since its start, asleep or awake: nobody can set this clock."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return "", time.monotonic()
    return identity().boot, time.clock_gettime(time.CLOCK_BOOTTIME) - _offset()


def _by_ticks(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("boot"), str) and bool(record["boot"])


def _started_then(process: psutil.Process, record: Mapping[str, Any]) -> bool:
    """Of a record with a Unix time, as written outside Linux and by earlier versions.

    Those of runs also had the time of the boot, which a clock that is set moves by as much.
    """
    shift = psutil.boot_time() - record["boot"] if isinstance(record.get("boot"), float) else 0.0
    return bool(abs(process.create_time() - shift - record["started"]) < 1)


def _ticks(pid: int) -> int:
    """Clock ticks from the machine's boot to the start of process ``pid``: field 22 of its ``stat``."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise psutil.NoSuchProcess(pid) from error
    # The second field, the name, may hold blanks and parentheses.
    return int(stat.rpartition(")")[2].split()[19]) - round(_offset() * os.sysconf("SC_CLK_TCK"))


def _offset() -> float:
    """Seconds that a time namespace adds to what this process is told of the time since the boot; mostly 0."""
    for line in _text("/proc/self/timens_offsets").splitlines():
        name, seconds, nanoseconds = line.split()
        if name == "boottime":
            return int(seconds) + int(nanoseconds) / 1e9
    return 0.0


def _text(path: str) -> str:
    """Of a small file; empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def processor() -> str:
    """This machine's kind of processor, in its own words."""
    lines = _text("/proc/cpuinfo").splitlines()  # empty outside Linux
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def machine() -> str:
    """This machine's processor in words, with the cores that this process may use."""
    quota = f" by the CPU quota of {cpu_quota():.3g}" if usable_cores() < visible_cores() else ""
    return f"{processor()}, {usable_cores()} usable cores{quota}"
