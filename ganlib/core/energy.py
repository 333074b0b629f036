"""What processors and GPUs have used, in joules, where the machine counts it: RAPL and NVML."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows RAPL's counters. Most systems let root alone read them."""


class RaplZone(NamedTuple):
    """One counter: a processor with all its cores, or the memory beside it."""

    path: Path
    range_joules: float
    """After which it begins anew at zero."""


def rapl_zones() -> list[RaplZone]:
    """Return the counters of this machine that may be read and do not hold one another; empty where there are none."""
    zones = []
    for folder in sorted(POWERCAP.glob("*-rapl:*")):
        with suppress(OSError, ValueError):
            if (folder / "name").read_text().startswith(("package", "dram")):
                int((folder / "energy_uj").read_text())
                zones.append(RaplZone(folder / "energy_uj", int((folder / "max_energy_range_uj").read_text()) / 1e6))
    return zones


class ProcessorEnergy:
    """Joules of all processors of this machine since it was made; whoever else was at work has used some of them."""

    def __init__(self) -> None:
        """Begin to count."""
        self._zones = rapl_zones()
        self._last = [0.0] * len(self._zones)
        self.more()
        self.measurable = bool(self._zones)
        """Whether this machine tells."""

    def more(self) -> float:
        """Return the joules since the last call. Call it more often than a counter begins anew: minutes are enough."""
        values = self._read()
        joules = 0.0
        for zone, before, now in zip(self._zones, self._last, values, strict=True):
            joules += now - before if now >= before else now - before + zone.range_joules
        self._last = values
        return joules

    def _read(self) -> list[float]:
        values = list(self._last)
        for place, zone in enumerate(self._zones):
            with suppress(OSError, ValueError):  # the right to read it was taken away meanwhile
                values[place] = int(zone.path.read_text()) / 1e6
        return values


def gpu_joules(uuids: Sequence[str]) -> float | None:
    """Return what the GPUs called ``uuids`` have used since their driver was loaded; None if that cannot be told.

    Needs the extra ``energy`` (NVML), and GPUs of NVIDIA's that count: Volta and later.
    """
    if not uuids:
        return None
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        try:
            handles = [pynvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
            return float(sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles)) / 1000
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:  # no driver, an older GPU, or a slice of one
        return None
