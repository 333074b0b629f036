"""`torchrun -m ganlib train`: one run in MLflow, told by the first process; a signal ends all of it in good order."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
from mlflow.entities import Run

from ganlib.core.project import Project
from ganlib.tracking.store import MlflowStore, connect
from tests.services import project as projects
from tests.services.conftest import free_port
from tests.support.forks import Command

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projects.make(tmp_path_factory.mktemp("together") / "project")


@pytest.fixture
def store(folder: Path) -> MlflowStore:
    return connect(Project(folder))


def begin(folder: Path, *words: str) -> Command:
    """Two processes on this machine, which torchrun starts afresh; it is a fork itself."""
    torchrun = ["torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    training = ["-m", "ganlib", "train", "vae", "--device", "cpu", "--json", *words]
    return Command([*torchrun, *training], folder, projects.environment(folder))


def runs(store: MlflowStore) -> list[Run]:
    """Newest first."""
    return list(store.client.search_runs([store.experiment("mnist-generators")]))


def test_two_processes_make_one_finished_run_and_one_graph(folder: Path, store: MlflowStore) -> None:
    process = begin(folder, "--set", "families.vae.channels=8")
    told, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    result = json.loads(told)
    (run,) = runs(store)
    assert run.info.run_id == result["run_id"]
    assert run.info.status == "FINISHED"
    assert run.data.tags["ganlib.processes"] == "2"
    assert result["steps"] == 10
    assert Path(result["onnx"]).is_file()


def test_sigterm_ends_both_and_their_run_as_killed_with_a_checkpoint(folder: Path, store: MlflowStore) -> None:
    process = begin(folder, "--set", "families.vae.channels=8", "--set", "budgets.smoke.steps=1000000")
    seen = []
    for line in process.stderr:
        seen.append(line)
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("stage") == "train vae" and "done" in event:
            break
    else:
        pytest.fail("".join(seen))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=900)
    assert process.returncode != 0
    run = runs(store)[0]
    assert run.info.status == "KILLED"
    saved = folder / ".ganlib" / "runs" / run.info.run_id / "checkpoint.pt"
    assert torch.load(saved, weights_only=True)["progress"]["step"] > 0


def test_a_batch_that_cannot_be_shared_is_one_line_of_the_first_process_and_its_run_has_failed(
    folder: Path, store: MlflowStore
) -> None:
    process = begin(folder, "--set", "families.vae.batch_size=24")
    _, said = process.communicate(timeout=900)
    assert process.returncode != 0
    errors = [json.loads(line)["message"] for line in said.splitlines() if line.startswith('{"event": "error"')]
    assert errors
    assert all("batch size 24 cannot be shared by 2 processes" in error for error in errors)
    assert runs(store)[0].info.status == "FAILED"
