"""Large imports are not searched for garbage, and the collector is as it was afterwards."""

from __future__ import annotations

import gc
import sys
import weakref
from importlib import import_module
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
    assert gc.get_freeze_count() <= frozen  # of what was kept before, something may go at any moment
    try:
        with gc_paused():
            for number in range(200):
                monkeypatch.setitem(sys.modules, f"made_up_{number}", ModuleType(f"made_up_{number}"))
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()


class Large:
    """Something that a caller holds."""


def import_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import much, one import of which fails: its error is in a circle, and its traceback in the callers' frames."""
    with gc_paused(sweep=True):
        for number in range(200):
            monkeypatch.setitem(sys.modules, f"made_up_{number}", ModuleType(f"made_up_{number}"))
        try:
            import_module("no_such_module")
        except ImportError as error:
            error.__dict__["itself"] = error


def test_a_failed_import_holds_nothing_of_its_callers_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def caller() -> weakref.ref[Large]:
        large = Large()
        import_many(monkeypatch)
        return weakref.ref(large)

    try:
        reference = caller()
        gc.collect()
        assert reference() is None
    finally:
        gc.unfreeze()
