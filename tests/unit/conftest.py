"""Shared by tests of several layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.tracking.store import MlflowStore, connect
from tests import factories


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables with nothing in them: building them takes seconds, a copy none."""
    project = factories.project(tmp_path_factory.mktemp("template"))
    connect(project)
    return project.root / "mlflow.db"


@pytest.fixture
def store(tmp_path: Path, empty_database: Path) -> MlflowStore:
    """An empty SQLite store in a project of its own."""
    project = factories.project(tmp_path / "project", empty_database)
    return connect(project)
