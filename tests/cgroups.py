"""Control groups of a test's own, made for real where that is allowed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_UNIFIED, _LEGACY = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/cpu")


@contextmanager
def quota(cores: float) -> Iterator[Path]:
    """A file to which a process writes its number to be limited to ``cores`` cores' worth of time."""
    top = _LEGACY if (_LEGACY / "cpu.cfs_quota_us").exists() else _UNIFIED
    group = top / f"ganlib-test-{os.getpid()}"
    period = 100_000
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        try:
            if top == _LEGACY:
                (group / "cpu.cfs_period_us").write_text(str(period))
                (group / "cpu.cfs_quota_us").write_text(str(int(cores * period)))
            else:
                (group / "cpu.max").write_text(f"{int(cores * period)} {period}")
        except OSError as error:
            pytest.skip(f"no CPU quota can be set here: {error.strerror}")
        yield group / "cgroup.procs"
    finally:
        group.rmdir()
