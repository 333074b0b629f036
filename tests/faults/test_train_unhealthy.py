"""Numbers that are not finite in mid-training: the run is stopped and tagged, or goes back and on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from mlflow.entities import Run

from ganlib.config import Params, load
from ganlib.core.project import Project
from ganlib.families.parts.base import Phase, TrainingBatch
from ganlib.families.vae import Vae
from ganlib.jobs.training.train import train
from ganlib.tracking import charts
from ganlib.tracking.store import MlflowStore, connect
from ganlib.training.health import Unhealthy
from tests.services import project as projects

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(projects.make(tmp_path_factory.mktemp("unhealthy") / "project"))


@pytest.fixture
def store(project: Project) -> MlflowStore:
    return connect(project)


def params(project: Project, policy: str) -> Params:
    """Twenty steps with a check at each tenth."""
    overrides = {
        "budgets.smoke.steps": 20,
        "train.log_every": 2,
        "train.checks": 2,
        "train.seconds_per_check": 1,
        "train.check_samples": 200,
        "train.unhealthy": policy,
        "families.vae.channels": 8,
    }
    return load(project.params_file, [f"{key}={value}" for key, value in overrides.items()])


def poison(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Make the images of step 13 NaN, the first ``times`` times that it comes."""
    clean, left = Vae.phases, [times]

    def phases(self: Vae, step: int) -> Sequence[Phase]:
        (phase,) = clean(self, step)
        if step != 13 or not left[0]:
            return (phase,)
        left[0] -= 1

        def loss(batch: TrainingBatch, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            return phase.loss(TrainingBatch(batch.images * float("nan"), batch.labels, batch.ranks), step)

        return (Phase(phase.name, phase.player, phase.optimizer, loss),)

    monkeypatch.setattr(Vae, "phases", phases)


def newest(store: MlflowStore) -> Run:
    found: Run = store.client.search_runs([store.experiment("mnist-generators")], max_results=1)[0]
    return found


def state(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    loaded: dict[str, dict[str, torch.Tensor]] = torch.load(path, weights_only=True)
    assert all(torch.isfinite(value).all() for part in ("family", "ema") for value in loaded[part].values())
    return loaded


def test_a_poisoned_batch_stops_the_run_which_is_tagged_and_keeps_its_healthy_state(
    project: Project, store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, times=1)
    with pytest.raises(Unhealthy, match="not finite at step 14") as caught:
        train(project, params(project, "stop"), "vae")
    assert "\n" not in str(caught.value)
    run = newest(store)
    assert run.info.status == "FAILED"
    assert "not finite" in run.data.tags["ganlib.unhealthy"]
    assert "quality/validation_fid" in run.data.metrics
    assert state(project.run_folder(run.info.run_id) / "checkpoint.pt")["progress"]["step"] == 10


def test_a_rollback_goes_on_from_the_healthy_state_with_halved_rates(
    project: Project, store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, times=1)
    result = train(project, params(project, "rollback"), "vae")
    assert result.steps == 20
    run = store.client.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert "ganlib.unhealthy" not in run.data.tags
    assert "at step 14: back to step 10" in run.data.tags["ganlib.rollback_1"]
    assert run.data.tags["ganlib.selected_step"] in {"10", "20"}
    names = {charts.plain(name) for name in run.data.metrics}
    assert {"validation_fid", "validation_fid_raw", "validation_fid_gained_by_ema"} <= names
    optimizer = state(project.run_folder(run.info.run_id) / "checkpoint.pt")["optimizers"]["autoencoder"]
    assert optimizer["param_groups"][0]["lr"] == Vae.Options().optimizer.learning_rate / 2


def test_what_two_rollbacks_do_not_heal_is_stopped(
    project: Project, store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, times=10)
    with pytest.raises(Unhealthy):
        train(project, params(project, "rollback"), "vae")
    tags = newest(store).data.tags
    assert {"ganlib.rollback_1", "ganlib.rollback_2", "ganlib.unhealthy"} <= tags.keys()
    assert "ganlib.rollback_3" not in tags


def test_a_run_is_not_resumed_as_another_family(project: Project, store: MlflowStore) -> None:
    run = newest(store)
    with pytest.raises(Exception, match="is of the family vae, not dcgan"):
        train(project, params(project, "stop"), "dcgan", resume=run.info.run_id)
    assert store.client.get_run(run.info.run_id).data.tags == run.data.tags
