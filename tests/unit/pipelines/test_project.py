"""MLproject, deployments and params.yaml agree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from ganlib.config import load
from tests.conftest import ROOT


def test_the_defaults_of_mlproject_are_those_of_params() -> None:
    params = load(ROOT / "params.yaml")
    entry = {
        name: {key: value["default"] for key, value in body.get("parameters", {}).items()}
        for name, body in yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"].items()
    }
    assert entry["retrain"] == {"families": ",".join(params.train.families), "budget": params.train.budget}
    assert entry["train"] == {"family": params.train.families[0], "budget": params.train.budget}
    assert entry["generate"]["count"] == str(params.generate.count)
    assert entry["generate"]["seed"] == str(params.generate.seed)


def test_the_server_of_prefect_can_be_imported_with_the_pinned_packages(tmp_path: Path) -> None:
    """With fastapi >= 0.156 this is a TypeError (docs/decisions/0001-pins.md)."""
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import prefect.server.api.server"], env=environment, check=True, timeout=500)


def test_every_flow_has_a_deployment_and_retraining_a_schedule_and_a_trigger(tmp_path: Path) -> None:
    code = (
        "import json; from pipelines.serve import deployments; "
        "print(json.dumps({d.flow_name: [len(d.schedules or []), len(d.triggers or [])] for d in deployments()}))"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=500
    )
    assert yaml.safe_load(done.stdout) == {
        "version-data": [0, 0],
        "train": [0, 0],
        "retrain": [1, 1],
        "promote": [0, 0],
        "generate": [0, 0],
        "reconcile": [0, 0],
    }
