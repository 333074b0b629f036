"""A disk that fills up in mid-training: the last checkpoint stays, and the run goes on once there is space."""

from __future__ import annotations

import subprocess
from pathlib import Path

import onnx
import pytest
import torch

from ganlib.config import load
from ganlib.core.errors import NoSpace
from ganlib.core.project import Project
from ganlib.jobs.training.train import TrainResult, train
from ganlib.tracking.store import connect
from tests.services import project as projects

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def weights(result: TrainResult) -> str:
    return next(entry.value for entry in onnx.load(result.onnx).metadata_props if entry.key == "weights_sha256")


def test_a_full_disk_ends_a_training_whose_checkpoint_stays_and_which_goes_on_once_there_is_space(
    tmp_path: Path, small_disk: Path
) -> None:
    project = Project(projects.make(tmp_path / "project"))
    overrides = {"budgets.smoke.steps": 10, "train.log_every": 2, "train.checkpoint_seconds": 1e-9, "train.keep": 1}
    small = {"families.vae.channels": 8, "families.vae.latent_dim": 8}
    params = load(project.params_file, [f"{key}={value}" for key, value in {**overrides, **small}.items()])
    whole = train(project, params, "vae")
    expected = weights(whole)
    size = (project.run_folder(whole.run_id) / "checkpoint.pt").stat().st_size

    filler = small_disk / "filler"
    filler.write_bytes(bytes(2**20 - size * 3 // 2))  # there is room for one checkpoint, and not for the next beside it
    (project.state / "runs").rename(project.state / "runs-before")
    (project.state / "runs").symlink_to(small_disk)
    with pytest.raises(NoSpace, match=r"no space at .*bytes needed.*free some space") as caught:
        train(project, params, "vae")
    assert "\n" not in str(caught.value)
    store = connect(project)
    run = store.client.search_runs([store.experiment("mnist-generators")], max_results=1)[0]
    assert run.info.status == "FAILED"
    assert "no space" in run.data.tags["ganlib.reason"]
    kept = project.run_folder(run.info.run_id)
    assert torch.load(kept / "checkpoint.pt", weights_only=True)["progress"]["step"] == 2
    assert [path.name for path in kept.iterdir()] == ["checkpoint.pt"]

    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    resumed = train(project, params, "vae", resume=run.info.run_id)
    assert (resumed.run_id, resumed.steps) == (run.info.run_id, 10)
    assert weights(resumed) == expected
    assert store.client.get_run(run.info.run_id).info.status == "FINISHED"
