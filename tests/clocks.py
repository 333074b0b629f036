"""A clock that is set, for one command: what ``date -s`` does to the time and to what is computed from it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

STEPS = (-3600, -3, 3, 3600, 400 * 86_400)
"""Seconds that a clock is set by: NTP after a boot, a machine that was suspended, one without a battery."""


def shifted(command: list[str], seconds: int, folder: Path) -> list[str]:
    """``command`` as it runs once the clock was set by ``seconds``; ``folder`` takes a file.

    Linux then tells another time of the boot (``btime``), from which psutil computes when each process started. Where
    Debian's package faketime is installed, the command is told another time, too.
    """
    if os.geteuid() or not Path("/proc/stat").exists():
        pytest.skip("no clock to set: run the tests as root on Linux")
    stat = folder / f"stat{seconds}"
    told = Path("/proc/stat").read_text()
    stat.write_text(re.sub(r"btime (\d+)", lambda found: f"btime {int(found[1]) + seconds}", told))
    clock = f"faketime -f {seconds:+}s" if shutil.which("faketime") else ""
    script = f'mount --bind {stat} /proc/stat && exec {clock} "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", *command]
