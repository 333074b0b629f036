"""Shared by tests of several layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from requests.adapters import HTTPAdapter

from ganlib.tracking.store import MlflowStore, connect
from tests import factories


@pytest.fixture(scope="session")
def empty_database() -> Path:
    """MLflow's tables with nothing in them: building them takes seconds, a copy none."""
    made = factories.empty_database()
    assert made
    return made


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """Tells how many seconds the requests so far would have waited for a server that is silent, repetitions included.

    A clock would tell how busy this machine is.
    """
    seconds: list[float] = []
    send = HTTPAdapter.send

    def sending(adapter: HTTPAdapter, request: Any, **options: Any) -> Any:
        limit = options["timeout"]
        each = sum(limit) if isinstance(limit, tuple) else limit or math.inf
        seconds.append(each * (1 + adapter.max_retries.total))
        return send(adapter, request, **options)

    monkeypatch.setattr(HTTPAdapter, "send", sending)
    return lambda: sum(seconds)


@pytest.fixture
def store(tmp_path: Path, empty_database: Path) -> MlflowStore:
    """An empty SQLite store in a project of its own."""
    project = factories.project(tmp_path / "project", empty_database)
    return connect(project)
