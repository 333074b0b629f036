"""SIGKILL in mid-training: what is left, and that it goes on to the very same weights."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import onnx
import psutil
import pytest
import torch
import yaml

from tests.services import project as projects
from tests.support.forks import Command

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = projects.make(tmp_path_factory.mktemp("killed") / "project")
    params = yaml.safe_load((made / "params.yaml").read_text())
    params["budgets"]["some"] = {"steps": 120, "seconds": 600}
    params["budgets"]["long"] = {"steps": 1_000_000, "seconds": 600}
    params["train"] |= {"checkpoint_seconds": 0.05, "log_every": 5, "checks": 0}
    params["families"]["vae"] = {"channels": 8, "batch_size": 32, "latent_dim": 10}
    (made / "params.yaml").write_text(yaml.safe_dump(params))
    return made


def begin(folder: Path, *words: str) -> Command:
    """Start `python -m WORDS`."""
    return Command([*words, "--json"], folder, projects.environment(folder))


def until_trained(process: Command, thousandths: int) -> None:
    """Read progress events until training has come so far."""
    seen = []
    for line in process.stderr:
        seen.append(line)
        event = json.loads(line) if line.startswith("{") else {}
        if str(event.get("stage", "")).startswith("train") and event.get("done", 0) >= thousandths:
            return
    pytest.fail("".join(seen[-20:]))


def runs(folder: Path) -> dict[str, str]:
    with sqlite3.connect(folder / "mlflow.db") as database:
        return dict(database.execute("SELECT run_uuid, status FROM runs ORDER BY start_time"))


def weights(result: dict[str, Any]) -> str:
    properties = {entry.key: entry.value for entry in onnx.load(result["onnx"]).metadata_props}
    return properties["weights_sha256"]


def test_a_killed_training_goes_on_to_the_weights_of_an_unbroken_one(folder: Path) -> None:
    whole = projects.run(folder, "ganlib", "train", "vae", "--budget", "some", "--json")
    assert whole.returncode == 0, whole.stderr
    process = begin(folder, "ganlib", "train", "vae", "--budget", "some")
    until_trained(process, 300)
    (run_id,) = [run for run, status in runs(folder).items() if status == "RUNNING"]
    saved = folder / ".ganlib" / "runs" / run_id / "checkpoint.pt"
    deadline = time.monotonic() + 900
    while not saved.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert runs(folder)[run_id] == "RUNNING"  # MLflow cannot know

    resumed = projects.run(folder, "ganlib", "train", "vae", "--budget", "some", "--resume", run_id, "--json")
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    assert result["run_id"] == run_id
    assert result["steps"] == 120
    assert runs(folder)[run_id] == "FINISHED"
    assert weights(result) == weights(json.loads(whole.stdout))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_saves_the_state_ends_the_run_as_killed_and_a_resume_with_other_options_names_them(
    folder: Path, number: signal.Signals
) -> None:
    process = begin(folder, "ganlib", "train", "vae", "--budget", "long", "--set", "train.checkpoint_seconds=600")
    until_trained(process, 0)
    (run_id,) = [run for run, status in runs(folder).items() if status == "RUNNING"]
    saved = folder / ".ganlib" / "runs" / run_id / "checkpoint.pt"
    assert not saved.exists()
    process.send_signal(number)
    _, said = process.communicate(timeout=900)
    assert process.returncode == 130
    assert f"--resume {run_id}" in json.loads(said.splitlines()[-1])["message"]
    assert runs(folder)[run_id] == "KILLED"
    assert torch.load(saved, weights_only=True)["progress"]["step"] > 0
    changed = projects.run(
        folder, "ganlib", "train", "vae", "--budget", "long", "--resume", run_id, "--set", "families.vae.latent_dim=3"
    )
    assert changed.returncode == 2
    assert "latent_dim: 10 then, 3 now" in changed.stderr
    assert "Traceback" not in changed.stderr


def test_a_killed_flow_takes_its_trainings_with_it_and_the_next_one_ends_well(folder: Path) -> None:
    process = begin(folder, "pipelines", "retrain", "--families", "vae", "--budget", "long")
    until_trained(process, 0)
    children = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "train" in child.cmdline() and "ganlib" in child.cmdline()
    ]
    assert children
    (run_id,) = [run for run, status in runs(folder).items() if status == "RUNNING"]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=300)
    assert not alive
    assert runs(folder)[run_id] == "KILLED"  # it saw its parent go, saved its state and said so

    again = projects.run(folder, "pipelines", "retrain", "--families", "vae", "--budget", "smoke", "--json")
    assert again.returncode == 0, again.stderr[-3000:]
    assert json.loads(again.stdout)["decision"]["promoted"]
    with sqlite3.connect(folder / ".ganlib/prefect/prefect.db") as database:
        states = dict(database.execute("SELECT name, state_type FROM flow_run"))
    assert states == {"retrain vae (long)": "CRASHED", "retrain vae (smoke): version 1 promoted": "COMPLETED"}
    home = str(folder / ".ganlib" / "prefect")
    left = [one for one in psutil.process_iter(["environ"]) if (one.info["environ"] or {}).get("PREFECT_HOME") == home]
    _, alive = psutil.wait_procs(left, timeout=300)  # the command's server ends by itself once the command has
    assert not alive
