"""A training that begins from a trained model has its weights, says so, and is refused where they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganlib import families
from ganlib.config import Params, load
from ganlib.core.errors import BadInput
from ganlib.core.progress import silent
from ganlib.core.project import Project
from ganlib.generation.session import OnnxModel
from ganlib.jobs.promotion.explain import explain
from ganlib.jobs.training.parent import begin_from, bring_images_for, find_parent
from ganlib.jobs.training.train import TrainResult, train
from ganlib.tracking import history
from ganlib.tracking.store import connect
from ganlib.training.ema import Ema
from tests import shapes
from tests.support.specs import LETTERS

pytestmark = pytest.mark.slow
SMALL = "families.dcgan.channels=8", "budgets.smoke={steps: 40, seconds: 60}", "export.parity_batches=[16]"


def params(project: Project, *overrides: str) -> Params:
    return load(project.params_file, [*SMALL, *overrides])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return shapes.project(tmp_path_factory.mktemp("parent") / "project")


@pytest.fixture(scope="module")
def parent(project: Project) -> TrainResult:
    return train(project, params(project, "train.seed=7"), "dcgan", budget="smoke")


def test_the_weights_of_the_model_that_is_named_are_read(project: Project, parent: TrainResult) -> None:
    began = params(project, f"train.init=runs:/{parent.run_id}")
    found = find_parent(project, began, "dcgan", shapes.SHAPES)
    assert found is not None
    family = families.build("dcgan", families.configured(began, "dcgan"), shapes.SHAPES)
    ema = Ema(family.generator, 500)
    begin_from(found, project, family, ema, silent)
    state = torch.load(project.run_folder(parent.run_id) / "checkpoint.pt", weights_only=True)
    for module, weights in ((family, state["family"]), (ema.module, state["ema"])):
        assert all(torch.equal(weight, weights[name]) for name, weight in module.state_dict().items())


def test_a_run_says_which_model_it_began_from(project: Project, parent: TrainResult) -> None:
    began = params(project, f"train.init=runs:/{parent.run_id}")
    result = train(project, began, "dcgan", budget="smoke")
    ours = OnnxModel(result.onnx, sha256=result.sha256)
    assert ours.metadata["init_run_id"] == parent.run_id
    run = history.read(connect(project), result.run_id)
    assert history.read(connect(project), parent.run_id).params["init"] == "None"
    assert run.tags["ganlib.init"] == f"runs:/{parent.run_id}"
    (link,) = (each for each in explain(project, began, f"runs:/{result.run_id}").links if each.what == "run")
    assert link.found["began from"] == f"runs:/{parent.run_id}"

    # A resumed run keeps its parent, whatever is set by then.
    again = find_parent(project, params(project), "dcgan", shapes.SHAPES, resume=result.run_id)
    assert again is not None
    assert again.run_id == parent.run_id
    assert find_parent(project, began, "dcgan", shapes.SHAPES, resume=parent.run_id) is None


def test_a_parent_that_does_not_fit_is_refused_in_a_line(project: Project, parent: TrainResult, tmp_path: Path) -> None:
    reference = f"runs:/{parent.run_id}"
    began = params(project, f"train.init={reference}")
    with pytest.raises(BadInput, match="is of family dcgan, not wgan_gp"):
        find_parent(project, began, "wgan_gp", shapes.SHAPES)
    with pytest.raises(BadInput, match=r"makes images of 3x32x32, and \w+ has images of 1x28x28.*--size 32"):
        find_parent(project, began, "dcgan", LETTERS)
    with pytest.raises(
        BadInput,
        match=r"its nets have other sizes.*had otherwise: channels 8, now 16 \(--set families\.dcgan\.NAME=VALUE\)",
    ):
        train(
            project, params(project, "families.dcgan.channels=16", f"train.init={reference}"), "dcgan", budget="smoke"
        )
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(parent.onnx.read_bytes())
    with pytest.raises(BadInput, match="has no run here"):
        find_parent(project, params(project, f"train.init={copy}"), "dcgan", shapes.SHAPES)
    with pytest.raises(BadInput, match=r"nothing\.onnx"):
        bring_images_for(project, params(project, "train.init=nothing.onnx"), tmp_path)
