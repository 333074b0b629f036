"""`mlflow run` starts the same retraining, and the same batch job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganlib.core.project import Project
from ganlib.generation.batch.batch import generate, verify
from ganlib.generation.session import OnnxModel
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories
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


def test_mlflow_run_generates_with_the_champion_what_the_library_generates(tmp_path: Path) -> None:
    folder = projects.make(tmp_path / "project")
    factories.graph(tmp_path / "g.onnx")
    store = connect(Project(folder))
    version = factories.registered(store, tmp_path / "g.onnx").version
    Registry(store, "mnist-generator").set_alias(CHAMPION, version)
    words = ["mlflow", "run", ".", "-e", "generate", "--env-manager", "local"]
    for given in ("count=150", "shard_size=100", "seed=4", "format=npy", "more=--no-check"):
        words += ["-P", given]
    done = projects.run(folder, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    made = generate(
        OnnxModel(tmp_path / "g.onnx"), out=tmp_path / "out", count=150, seed=4, shard_size=100, file_format="npy"
    )
    assert json.loads((folder / "out/batch/manifest.json").read_text())["digest"] == made.digest
    assert json.loads((folder / "out/batch/card.json").read_text())["version"] == version
    assert verify(folder / "out/batch").ok

    wrong = projects.run(folder, *words[:7], "-P", "labels=7", "-P", "out=out/wrong")
    assert wrong.returncode != 0
    assert "ganlib: --labels 7: this model takes no label" in wrong.stderr
    assert not (folder / "out/wrong").exists()
