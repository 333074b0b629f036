"""Large imports are not searched for garbage, and the collector is as it was afterwards."""

from __future__ import annotations

import gc
import sys
from types import ModuleType

import pytest

from ganlib.core.startup import gc_paused


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_off_inside_and_as_it_was_afterwards_whatever_happens(enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(ImportError), gc_paused():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_only_what_many_modules_made_is_kept_from_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = gc.get_freeze_count()
    with gc_paused():
        pass
    assert gc.get_freeze_count() == frozen
    try:
        with gc_paused():
            for number in range(200):
                monkeypatch.setitem(sys.modules, f"made_up_{number}", ModuleType(f"made_up_{number}"))
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
