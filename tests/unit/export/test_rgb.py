"""A graph in three channels draws what the grey one draws."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from torch import Tensor, nn
from typer.testing import CliRunner

from ganlib.cli import app
from ganlib.config import ExportConfig
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.contract import VERSION_KEY, describe
from ganlib.export.onnx import Certificate, export
from ganlib.export.rgb import rgb
from ganlib.generation.session import OnnxModel
from tests.support.specs import SHOP
from tests.unit.export.nets import NOISE_DIM


class InColour(nn.Module):
    """Noise to images of the shop."""

    def __init__(self) -> None:
        super().__init__()
        self.draw = nn.Linear(NOISE_DIM, SHOP.image.nbytes)

    def forward(self, noise: Tensor) -> Tensor:
        return self.draw(noise).tanh().view(-1, *SHOP.image.dims)


def test_all_three_channels_are_the_grey_one_and_the_rest_is_as_it_was(
    exported: tuple[Path, Certificate], tmp_path: Path
) -> None:
    grey, wide = exported[0], tmp_path / "wide.onnx"
    wide.write_bytes(rgb(grey.read_bytes(), "grey.onnx"))
    onnx.checker.check_model(onnx.load(wide), full_check=True)
    ours, theirs = OnnxModel(wide), OnnxModel(grey)
    for count in (1, 2, 7, 64):
        noise = np.random.default_rng(count).normal(size=(count, NOISE_DIM)).astype(np.float32)
        drawn, plain = (model.run({"noise": noise}) for model in (ours, theirs))
        assert (drawn.dtype, drawn.shape) == (np.uint8, (count, 3, 28, 28))
        np.testing.assert_array_equal(drawn, np.repeat(plain, 3, axis=1))
    made, before = (describe(path.read_bytes(), "x") for path in (wide, grey))
    assert made.contract.inputs == before.contract.inputs
    assert made.contract.spec == MNIST.model_copy(update={"image": MNIST.image.model_copy(update={"channels": 3})})
    assert {key for key in made.metadata if made.metadata[key] != before.metadata[key]} == {"dataset"}
    assert made.metadata.keys() == before.metadata.keys()


def test_a_file_of_the_first_contract_becomes_one_of_today(exported: tuple[Path, Certificate]) -> None:
    old = onnx.load(exported[0])
    kept = [entry for entry in old.metadata_props if entry.key not in ("dataset", VERSION_KEY)]
    del old.metadata_props[:]
    old.metadata_props.extend(kept)
    assert describe(old.SerializeToString(), "old").contract.version == 1
    assert describe(rgb(old.SerializeToString(), "old"), "new").contract.spec.image.channels == 3


def test_colour_stays_byte_for_byte_and_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "colour.onnx"
    export(InColour(), NOISE_DIM, path, ExportConfig(parity_batches=(2,)), {}, SHOP)
    assert rgb(path.read_bytes(), "colour.onnx") == path.read_bytes()
    with pytest.raises(BadInput, match="is not an ONNX model"):
        rgb(b"no graph", "text.onnx")


def test_the_command_writes_it(exported: tuple[Path, Certificate], tmp_path: Path) -> None:
    out = tmp_path / "wide.onnx"
    done = CliRunner().invoke(app, ["export", str(exported[0]), "--rgb", "--out", str(out), "--json"])
    assert json.loads(done.stdout) == {"path": str(out), "sha256": sha256_file(out)}
    assert out.read_bytes() == rgb(exported[0].read_bytes(), "x")
    done = CliRunner().invoke(app, ["export", str(exported[0]), "--rgb", "--siblings", "--out", str(tmp_path)])
    assert done.exit_code != 0
