"""A store in a folder of its own, with real graphs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.tracking.store import Store, connect
from tests import factories


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three different exported generators."""
    folder = tmp_path_factory.mktemp("graphs")
    paths = [folder / f"{seed}.onnx" for seed in range(3)]
    for seed, path in enumerate(paths):
        factories.graph(path, seed)
    return paths


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty SQLite store."""
    return connect(factories.project(tmp_path / "project"))
