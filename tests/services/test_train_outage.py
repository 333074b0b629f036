"""A training whose MLflow server goes away in the middle of it and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ganlib.config import load
from ganlib.families.base import Phase
from ganlib.families.vae import Vae
from ganlib.jobs.train import train
from ganlib.project import Project
from ganlib.tracking.store import connect
from tests.services import project as projects
from tests.services.wire import Wire

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """Have something happen as a step begins."""

    def arrange(number: int, happens: Callable[[], object]) -> None:
        clean = Vae.phases

        def phases(self: Vae, step: int) -> Sequence[Phase]:
            if step == number:
                happens()
            return clean(self, step)

        monkeypatch.setattr(Vae, "phases", phases)

    return arrange


@pytest.fixture
def wire(mlflow_server: str) -> Iterator[Wire]:
    wire = Wire(int(mlflow_server.rpartition(":")[2]))
    yield wire
    wire.cut()


def test_a_training_does_not_wait_for_a_server_that_is_away_and_all_its_values_arrive_in_order(
    tmp_path: Path,
    wire: Wire,
    mlflow_server: str,
    at_step: Callable[[int, Callable[[], object]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = Project(projects.make(tmp_path / "project"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", wire.url)
    moments: list[float] = []
    at_step(6, wire.cut)
    for number in (7, 25):
        at_step(number, lambda: moments.append(time.monotonic()))
    at_step(26, wire.mend)
    overrides = ["budgets.smoke.steps=30", "train.log_every=2", "train.checks=0", "families.vae.channels=8"]
    result = train(project, load(project.params_file, overrides), "vae")
    client = connect(project, mlflow_server).client
    assert [point.step for point in client.get_metric_history(result.run_id, "loss/elbo")] == list(range(2, 31, 2))
    assert client.get_run(result.run_id).info.status == "FINISHED"
    assert {entry.path for entry in client.list_artifacts(result.run_id)} >= {"grids", "onnx", "checkpoint"}
    assert moments[1] - moments[0] < 15  # seconds for 18 small steps; one call to the server may try for thirty
