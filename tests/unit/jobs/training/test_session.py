"""What a training refuses before its first step: one line, the exit code of its kind, and no run in MLflow."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
import torch

from ganlib.config import load
from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.core.project import Project
from ganlib.jobs.training.train import train
from ganlib.tracking.store import connect
from tests.services import project as projects
from tests.services.conftest import free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(projects.make(tmp_path_factory.mktemp("refused") / "project"))
    connect(made)
    return made


def runs(project: Project) -> int:
    with sqlite3.connect(project.root / "mlflow.db") as database:
        (count,) = database.execute("SELECT count(*) FROM runs").fetchone()
    return int(count)


@pytest.mark.parametrize(
    ("family", "overrides", "message"),
    [
        pytest.param(
            "vae", ["train.device=cuda"], "no CUDA device here for --device cuda.*--allow-cpu",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device: CUDA_VISIBLE_DEVICES= hides it"),
        ),
        ("vae", ["families.vae.batch_size=5501"], r"batch size 5501 is larger than .*\(5500 images\)"),
        ("dcgan", ["families.dcgan.generator.name=lion"], "generator.name must be adam, adamw, rmsprop or sgd"),
        ("pggan", ["families.pggan.diffaugment_cut=29"], "diffaugment_cut must be at most 28 for a 1x28x28 image"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_before_there_is_a_run(
    family: str, overrides: list[str], message: str, project: Project
) -> None:
    before = runs(project)
    with pytest.raises(BadInput, match=message) as caught:
        train(project, load(project.params_file, overrides), family)
    assert "\n" not in str(caught.value)
    assert runs(project) == before
    assert not (project.state / "runs").exists()


def test_a_run_that_is_not_there_cannot_be_resumed(project: Project) -> None:
    with pytest.raises(GanlibError, match="0123456789abcdef"):
        train(project, load(project.params_file), "vae", resume="0123456789abcdef" * 2)
    assert runs(project) == 0


def test_a_server_that_is_away_at_the_start_is_named_within_ten_seconds(
    project: Project, monkeypatch: pytest.MonkeyPatch, patience: Callable[[], float]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    with pytest.raises(Unavailable, match=url):
        train(project, load(project.params_file), "vae")
    assert 0 < patience() <= 10, "MLflow's own retries take minutes"
