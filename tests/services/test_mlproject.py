"""`mlflow run` starts the same retraining."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.services import project as projects

pytestmark = [pytest.mark.services, pytest.mark.slow]


def test_mlflow_run_retrains_and_its_run_is_the_parent(tmp_path: Path) -> None:
    folder = projects.make(tmp_path / "project")
    words = [
        "mlflow",
        "run",
        ".",
        "-e",
        "retrain",
        "-P",
        "families=vae",
        "-P",
        "budget=smoke",
        "--env-manager",
        "local",
    ]
    done = projects.run(folder, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    (row,) = json.loads(projects.run(folder, "ganlib", "registry", "list", "--json").stdout)
    assert (row["version"], row["family"], row["aliases"]) == (1, "vae", ["champion"])

    from mlflow import MlflowClient

    run = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").get_run(row["run_id"])
    parent = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").get_run(run.data.tags["mlflow.parentRunId"])
    assert parent.data.tags["mlflow.project.entryPoint"] == "retrain"
    assert parent.info.status == "FINISHED"
