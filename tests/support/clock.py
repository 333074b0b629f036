"""A clock that a test sets, for one module alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest


def set_clock(monkeypatch: pytest.MonkeyPatch, module: ModuleType, **clocks: Callable[[], float]) -> None:
    """Have ``module`` take each of ``clocks`` for that of its name in ``time``.

    Replaced in ``time`` itself it would be another clock for the process's other threads, too: a server of the session
    that goes to sleep meanwhile sleeps for the difference of both clocks, which is hours.
    """
    monkeypatch.setattr(module, "time", SimpleNamespace(**(vars(time) | clocks)))
