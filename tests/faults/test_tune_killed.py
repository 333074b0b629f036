"""SIGKILL in the middle of a search: the same command fails the trial that was cut off, redoes it and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from ganlib.project import Project
from ganlib.tracking import history
from ganlib.tracking.store import connect
from tests.services import project as projects

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def test_a_killed_search_redoes_its_trial_below_the_same_parent_and_applies_the_best(tmp_path: Path) -> None:
    folder = projects.make(tmp_path / "project")
    words = [
        *("ganlib", "tune", "vae", "--trials", "1", "--checks", "1", "--only", "optimizer.learning_rate", "--json"),
        *("--set", "train.check_samples=200", "--set", "families.vae.channels=8", "--set", "budgets.smoke.steps=150"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=folder, env=projects.environment(folder), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    events = (json.loads(line) for line in process.stderr if line.startswith("{"))
    first = next(event["run"] for event in events if "run" in event)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive

    again = projects.run(folder, *words, "--apply")
    assert again.returncode == 0, again.stderr[-3000:]
    found = json.loads(again.stdout)
    cut_off, redone = found["trials"]
    assert (cut_off["state"], redone["state"]) == ("FAIL", "COMPLETE")
    assert cut_off["params"] == redone["params"] == {"optimizer.learning_rate": 1e-3}  # as they were
    assert cut_off["run_id"] == first != redone["run_id"]

    store = connect(Project(folder))
    runs = [history.read(store, run_id) for run_id in (found["run_id"], first, redone["run_id"])]
    assert [run.status for run in runs] == ["FINISHED", "KILLED", "FINISHED"]
    assert [run.tags.get("mlflow.parentRunId") for run in runs] == [None, found["run_id"], found["run_id"]]
    assert runs[2].metrics["validation_fid"] == pytest.approx(found["best"]["fid"])
    applied = yaml.safe_load((folder / "params.yaml").read_text())
    assert applied["families"]["vae"] == {"optimizer": {"learning_rate": 1e-3}}
