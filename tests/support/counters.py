"""Energy counters as Linux shows RAPL's, in a folder."""

from __future__ import annotations

from pathlib import Path

RANGE_JOULES = 1000
_NAMES = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "dram",
    "intel-rapl:1": "package-1",
    "intel-rapl:2": "psys",
}


def rapl(folder: Path) -> Path:
    """Two processors, cores and memory of the first, and the machine: all at 500 joules, beginning anew at 1000."""
    for zone, name in _NAMES.items():
        (folder / zone).mkdir()
        (folder / zone / "name").write_text(f"{name}\n")
        (folder / zone / "energy_uj").write_text("500000000\n")
        (folder / zone / "max_energy_range_uj").write_text(f"{RANGE_JOULES * 1_000_000}\n")
    return folder


def turn(folder: Path, zone: str, joules: float) -> None:
    """Let the counter of ``zone`` go on by ``joules``."""
    file = folder / zone / "energy_uj"
    value = (int(file.read_text()) + round(joules * 1e6)) % (RANGE_JOULES * 1_000_000)
    file.write_text(f"{value}\n")
