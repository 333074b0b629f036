"""A training whose MLflow server goes away in the middle of it and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ganlib.config import load
from ganlib.core.project import Project
from ganlib.jobs.training.train import train
from ganlib.tracking.store import connect
from tests.services import project as projects
from tests.services.conftest import AtStep
from tests.services.wire import Wire

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
def wire(mlflow_server: str) -> Iterator[Wire]:
    wire = Wire(int(mlflow_server.rpartition(":")[2]))
    yield wire
    wire.cut()


def test_a_training_does_not_wait_for_a_server_that_is_away_and_all_its_values_arrive_in_order(
    tmp_path: Path,
    wire: Wire,
    mlflow_server: str,
    at_step: AtStep,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = Project(projects.make(tmp_path / "project"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", wire.url)
    asking: set[int] = set()  # threads that ask the server while it is away
    send, training = requests.Session.send, threading.get_ident()

    def sending(*arguments: Any, **named: Any) -> requests.Response:
        asking.add(threading.get_ident())
        return send(*arguments, **named)

    def cut() -> None:
        wire.cut()
        monkeypatch.setattr(requests.Session, "send", sending)

    def mend() -> None:
        deadline = time.monotonic() + 300
        while not asking:  # until it has been missed at all
            assert time.monotonic() < deadline
            time.sleep(0.01)
        monkeypatch.setattr(requests.Session, "send", send)
        wire.mend()

    at_step(6, cut)
    at_step(26, mend)
    overrides = ["budgets.smoke.steps=30", "train.log_every=2", "train.checks=0", "families.vae.channels=8"]
    result = train(project, load(project.params_file, overrides), "vae")
    client = connect(project, mlflow_server).client
    assert [point.step for point in client.get_metric_history(result.run_id, "loss/elbo")] == list(range(2, 31, 2))
    assert client.get_run(result.run_id).info.status == "FINISHED"
    assert {entry.path for entry in client.list_artifacts(result.run_id)} >= {"grids", "onnx", "checkpoint"}
    assert training not in asking  # one call may try for half a minute: none of them is the training's to wait for
