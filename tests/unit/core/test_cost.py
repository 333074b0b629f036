"""What work costs, and how sums of it are made and told."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from ganlib.core import cost as costs
from ganlib.core import energy
from ganlib.core.cost import Cost, CostMeter
from tests.support.clock import set_clock
from tests.support.counters import rapl, turn
from tests.unit.core.test_energy import nvml


def spin(seconds: float) -> None:
    """Keep a processor busy for so many of its own seconds."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_meter_tells_of_this_process_since_it_was_made() -> None:
    spin(0.02)
    meter = CostMeter()
    spin(0.05)
    cost = meter.read()
    assert cost.cpu_seconds >= 0.05
    assert cost.wall_seconds >= cost.cpu_seconds * 0.5
    assert (cost.gpu_seconds, cost.money) == (0, None)
    assert meter.close().cpu_seconds >= cost.cpu_seconds


def test_energy_is_the_share_of_the_machines_that_this_process_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "POWERCAP", rapl(tmp_path))
    clock, busy = [10.0], [100.0]
    set_clock(monkeypatch, costs, process_time=lambda: clock[0])
    monkeypatch.setattr("ganlib.core.cost.psutil.cpu_times", lambda: Times(busy[0]))
    meter = CostMeter()
    clock[0], busy[0] = 11.0, 104.0  # one of the four seconds that processors were busy
    turn(tmp_path, "intel-rapl:0", 80)
    assert meter.read().energy_joules == pytest.approx(20)
    busy[0] = 108.0  # all of them somebody else's
    turn(tmp_path, "intel-rapl:0", 80)
    assert meter.close().energy_joules == pytest.approx(20)


class Times(tuple[float, ...]):
    """As psutil's ``scputimes``: a machine that has been busy for so many seconds, and idle for a thousand."""

    idle, iowait, guest, guest_nice = 1000.0, 5.0, 2.0, 0.0

    def __new__(cls, busy: float) -> Times:
        return super().__new__(cls, (busy, 1000.0, 5.0, 2.0, 0.0))


def test_where_nothing_counts_energy_it_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    assert CostMeter().close().energy_joules is None


def test_gpus_are_counted_from_when_they_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    now, counter = [0.0], {"GPU-a": 7000}
    monkeypatch.setitem(sys.modules, "pynvml", nvml(counter))
    set_clock(monkeypatch, costs, monotonic=lambda: now[0])
    meter = CostMeter()
    now[0] = 10.0
    meter.hold_gpus(4, ["GPU-a"])
    now[0], counter["GPU-a"] = 13.0, 9000
    cost = meter.close()
    assert (cost.wall_seconds, cost.gpu_seconds, cost.energy_joules) == (13, 12, 2)


def test_a_sum_has_what_is_known_of_its_parts() -> None:
    known = Cost(wall_seconds=1, cpu_seconds=2, gpu_seconds=3, energy_joules=4, money=5)
    assert Cost() + known == known == known + Cost()
    assert (known + known).energy_joules == 8
    assert (Cost() + Cost()).energy_joules is None


def test_a_cost_in_words() -> None:
    assert Cost(wall_seconds=61, cpu_seconds=118.4).text("EUR") == "61 s, 118 CPU s"
    full = Cost(wall_seconds=7200, cpu_seconds=1.5, gpu_seconds=7200, energy_joules=3.6e6, money=1234.5)
    assert full.text("USD") == "7,200 s, 1.5 CPU s, 7,200 GPU s, 1 kWh, 1,234.50 USD"
    assert [costs.money_text(each) for each in (0, 0.00123, 0.01, 2)] == ["0.00", "0.0012", "0.01", "2.00"]
