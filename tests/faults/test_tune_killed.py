"""SIGKILL in the middle of a search: the same command fails the trial that was cut off, redoes it and goes on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import optuna
import psutil
import pytest
import yaml

from ganlib.core.project import Project
from ganlib.tracking import history
from ganlib.tracking.store import connect
from tests.services import project as projects
from tests.support.forks import Command

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def words(steps: int) -> list[str]:
    """A search of one trial."""
    return [
        *("tune", "vae", "--trials", "1", "--checks", "1", "--only", "optimizer.learning_rate", "--json"),
        *("--set", "train.check_samples=200", "--set", "families.vae.channels=8"),
        *("--set", f"budgets.smoke.steps={steps}"),
    ]


def begin(folder: Path, steps: int) -> tuple[Command, str]:
    """A search whose first trial has begun, and that trial's run."""
    process = Command(["ganlib", *words(steps)], folder, projects.environment(folder))
    events = (json.loads(line) for line in process.stderr if line.startswith("{"))
    return process, next(event["facts"]["run"] for event in events if "run" in event.get("facts", ()))


def test_sigterm_ends_a_search_and_its_trial_as_killed_and_its_options_are_queued(tmp_path: Path) -> None:
    folder = projects.make(tmp_path / "project")
    process, first = begin(folder, 1_000_000)
    children = psutil.Process(process.pid).children(recursive=True)
    for _ in range(2):  # `make down`, systemd and an orchestrator send it more than once
        process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=900)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert json.loads(said.splitlines()[-1])["event"] == "error"
    assert not psutil.wait_procs(children, timeout=300)[1]

    store = connect(Project(folder))
    trial = history.read(store, first)
    search = history.read(store, trial.tags["mlflow.parentRunId"])
    assert (trial.status, search.status) == ("KILLED", "KILLED")
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / '.ganlib/tune/optuna.db'}")
    cut_off, queued = optuna.load_study(study_name=None, storage=storage).trials
    assert (cut_off.state.name, queued.state.name) == ("FAIL", "WAITING")
    assert queued.system_attrs["fixed_params"] == cut_off.params


def test_a_killed_search_redoes_its_trial_below_the_same_parent_and_applies_the_best(tmp_path: Path) -> None:
    folder = projects.make(tmp_path / "project")
    process, first = begin(folder, 150)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=300)
    assert not alive

    again = projects.run(folder, "ganlib", *words(150), "--apply")
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
