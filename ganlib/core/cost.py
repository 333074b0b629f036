"""What work costs: seconds, processor seconds, GPU seconds, joules where they are counted, and money by a price."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event, Lock, Thread

import psutil

from ganlib.core.energy import ProcessorEnergy, gpu_joules
from ganlib.core.record import Record

_EVERY = 30.0  # seconds between two looks at counters that begin anew within some minutes under load


class Cost(Record):
    """Of one piece of work, or the sum of several."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of all threads."""
    gpu_seconds: float = 0.0
    """How long GPUs were held, each counted."""
    energy_joules: float | None = None
    """Of processors (this work's share of what the machine used, by processor time) and of the GPUs; None: not
    measurable here. Of a sum, what was measured."""
    money: float | None = None
    """By the prices of `costs` in params.yaml; None: there are none. Of a sum, what was priced."""

    def __add__(self, other: Cost) -> Cost:
        """Return the sum."""
        return Cost(
            wall_seconds=self.wall_seconds + other.wall_seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            gpu_seconds=self.gpu_seconds + other.gpu_seconds,
            energy_joules=_sum(self.energy_joules, other.energy_joules),
            money=_sum(self.money, other.money),
        )

    @property
    def kwh(self) -> float | None:
        """The energy in kilowatt hours."""
        return None if self.energy_joules is None else self.energy_joules / 3.6e6

    def text(self, currency: str) -> str:
        """Return it in one line for people: ``61 s, 118 CPU s, 0.0012 kWh, 0.03 EUR``."""
        parts = [f"{self.wall_seconds:,.3g} s" if self.wall_seconds < 100 else f"{self.wall_seconds:,.0f} s"]
        parts.append(f"{self.cpu_seconds:,.3g} CPU s" if self.cpu_seconds < 100 else f"{self.cpu_seconds:,.0f} CPU s")
        if self.gpu_seconds:
            parts.append(f"{self.gpu_seconds:,.0f} GPU s")
        if self.kwh is not None:
            parts.append(f"{self.kwh:.3g} kWh")
        if self.money is not None:
            parts.append(f"{money_text(self.money)} {currency}")
        return ", ".join(parts)


def money_text(money: float) -> str:
    """Return an amount: two decimals, or two significant ones of what is below a cent."""
    return f"{money:,.2f}" if money >= 0.01 or money == 0 else f"{money:.2g}"


class CostMeter:
    """Measures this process from when it is made: all its threads, and none of its children."""

    def __init__(self) -> None:
        """Begin to measure."""
        self._start, self._cpu = time.monotonic(), time.process_time()
        self._gpus: tuple[str, ...] = ()
        self._gpu_start: float | None = None
        self._gpu_count = 0
        self._gpu_since = self._start
        self._processors = ProcessorEnergy()
        self._joules, self._last_cpu, self._last_busy = 0.0, self._cpu, _busy_seconds()
        self._end, self._lock = Event(), Lock()
        if self._processors.measurable:
            Thread(target=self._watch, daemon=True, name="energy").start()

    def hold_gpus(self, count: int, uuids: Sequence[str] = ()) -> None:
        """Count ``count`` GPUs as held from now on; ``uuids`` are those of them whose energy is to be asked for."""
        self._gpu_count, self._gpu_since = count, time.monotonic()
        self._gpus = tuple(uuids)
        self._gpu_start = gpu_joules(self._gpus)

    def read(self) -> Cost:
        """Return the cost so far; no money, which is a matter of prices."""
        now = time.monotonic()
        energy = None
        if self._processors.measurable:
            self._sample()
            energy = self._joules
        if self._gpu_start is not None and (gpu := gpu_joules(self._gpus)) is not None:
            energy = (energy or 0.0) + gpu - self._gpu_start
        return Cost(
            wall_seconds=now - self._start,
            cpu_seconds=time.process_time() - self._cpu,
            gpu_seconds=self._gpu_count * (now - self._gpu_since),
            energy_joules=energy,
        )

    def close(self) -> Cost:
        """Return the cost, and measure no longer."""
        self._end.set()
        return self.read()

    def _watch(self) -> None:
        while not self._end.wait(_EVERY):
            self._sample()

    def _sample(self) -> None:
        """Take this process's share of what all processors have used since the last look."""
        with self._lock:
            cpu, busy, joules = time.process_time(), _busy_seconds(), self._processors.more()
            own, machine = cpu - self._last_cpu, busy - self._last_busy
            self._joules += joules * min(1.0, own / machine) if machine > 0 else 0.0
            self._last_cpu, self._last_busy = cpu, busy


def _busy_seconds() -> float:
    """Seconds that the processors of this machine have worked since its start, for anybody."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user and nice as well
    return float(sum(times) - idle - guest)


def _sum(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else a + b
