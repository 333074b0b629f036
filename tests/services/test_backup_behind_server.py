"""A backup of artifacts that only MLflow's server reaches, with the variable that says where the server has them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ganlib.core.project import Project
from ganlib.tracking.elsewhere import DESTINATION, bring
from ganlib.tracking.store import MlflowStore, connect

pytestmark = pytest.mark.services


def test_artifacts_behind_a_server_are_fetched_from_where_it_has_them(
    store: MlflowStore, project: Project, mlflow_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.client.create_run(store.experiment("behind a server"))
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    store.client.log_text(run.info.run_id, "hello", "notes/first.txt")
    shutil.copy(mlflow_folder / "mlflow.db", tmp_path)
    direct = connect(project, f"sqlite:///{mlflow_folder / 'mlflow.db'}")
    monkeypatch.setenv(DESTINATION, str(mlflow_folder / "artifacts"))
    texts = {
        name: path.read_text()
        for name, path in bring(direct, tmp_path / "mlflow.db", tmp_path / "aside")
        if name.endswith("notes/first.txt")
    }
    place = f"mlruns/{run.info.experiment_id}/{run.info.run_id}/artifacts/notes/first.txt"
    assert texts == {place: "hello"}
