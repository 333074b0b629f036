"""A project whose MLflow is on PostgreSQL and whose artifacts are on another disk, restored where there is neither."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ganlib.config import load
from ganlib.jobs.promotion.promote import promote
from ganlib.jobs.recovery.backup import backup
from ganlib.jobs.recovery.restore import restore
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.support import graphs

pytestmark = [pytest.mark.services, pytest.mark.slow]
NAME = "mnist-generator"


def test_rows_and_artifacts_become_a_project_that_needs_neither(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = factories.project(tmp_path / "project")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgresql)
    store = connect(project)
    disk = tmp_path / "another disk"
    if store.client.get_experiment_by_name("tests") is None:
        store.client.create_experiment("tests", artifact_location=disk.as_uri())
    for seed in (1, 2):
        graphs.write(project.root / f"{seed}.onnx", seed)
        factories.registered(store, project.root / f"{seed}.onnx", 30 - 10 * seed)
    first = min(version.version for version in Registry(store, NAME).versions()[:2])
    assert promote(project, load(project.params_file), str(first)).promoted
    entries = Ledger(store, NAME).read().lines
    done = backup(project, tmp_path / "b")
    assert done.gaps == ()

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    shutil.rmtree(disk)
    shutil.rmtree(project.root)
    clone = factories.project(tmp_path / "clone")
    assert restore(clone, tmp_path / "b").versions == done.versions
    registry = Registry(connect(clone), NAME)
    assert registry.aliases()["champion"] == first
    assert Ledger(registry.store, NAME).read().lines == entries
    for place, version in enumerate((first, first + 1), 1):
        graphs.write(tmp_path / "expected.onnx", place)
        registry.download(registry.get(version), tmp_path / "out.onnx")
        assert (tmp_path / "out.onnx").read_bytes() == (tmp_path / "expected.onnx").read_bytes()
