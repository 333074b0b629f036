"""Energy as machines tell it, from counters that look like theirs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganlib.core import energy
from ganlib.core.energy import ProcessorEnergy, gpu_joules
from tests.support.counters import rapl, turn


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two processors, one's memory, a part of one, and the whole machine, as Linux shows them."""
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    return rapl(tmp_path)


def test_processors_and_memory_are_added_and_what_holds_them_is_not_counted_twice(counters: Path) -> None:
    meter = ProcessorEnergy()
    assert meter.measurable
    for name, joules in (("intel-rapl:0", 3), ("intel-rapl:1", 4), ("intel-rapl:0:1", 2)):
        turn(counters, name, joules)
    turn(counters, "intel-rapl:0:0", 100)  # the cores of processor 0
    turn(counters, "intel-rapl:2", 100)  # the machine, with its processors
    assert meter.more() == pytest.approx(9)
    assert meter.more() == 0


def test_a_counter_that_begins_anew_loses_nothing(counters: Path) -> None:
    meter = ProcessorEnergy()
    for _ in range(3):
        turn(counters, "intel-rapl:0", 900)  # it begins anew after 1000
        assert meter.more() == pytest.approx(900)


def test_where_counters_may_not_be_read_nothing_is_claimed(counters: Path) -> None:
    for path in counters.glob("*/energy_uj"):
        path.unlink()
    assert not ProcessorEnergy().measurable
    assert ProcessorEnergy().more() == 0


class NVMLError(Exception):
    """As pynvml's."""


def nvml(millijoules: Mapping[str, int]) -> SimpleNamespace:
    """The library, with these GPUs."""

    def handle(uuid: str) -> str:
        if uuid not in millijoules:
            raise NVMLError
        return uuid

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetHandleByUUID=handle,
        nvmlDeviceGetTotalEnergyConsumption=millijoules.__getitem__,
    )


def test_gpus_are_asked_by_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml({"GPU-a": 1500, "GPU-b": 500}))
    assert gpu_joules(["GPU-a", "GPU-b"]) == 2.0
    assert gpu_joules(["GPU-a"]) == 1.5
    assert gpu_joules(["GPU-c"]) is None, "no such GPU"
    assert gpu_joules([]) is None


def test_without_the_library_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpu_joules(["GPU-a"]) is None
