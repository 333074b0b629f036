"""Pictures of several models on the same noise."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganlib import families
from ganlib.config import ExportConfig
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export
from ganlib.generation.noise import noise_block
from ganlib.generation.pictures.side_by_side import BETWEEN, HEAD, MARGIN, draw, picture
from ganlib.generation.session import OnnxModel
from tests import factories


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[OnnxModel]:
    """An unconditional model and one of labels."""
    folder = tmp_path_factory.mktemp("graphs")
    factories.graph(folder / "plain.onnx")
    torch.manual_seed(0)
    made = families.build("cgan", families.options("cgan", {"channels": 8}), MNIST)
    export(
        made.generator, made.noise_dim, folder / "cgan.onnx", ExportConfig(parity_batches=(2,)), {}, MNIST,
        condition=made.condition,
    )  # fmt: skip
    return [OnnxModel(folder / name) for name in ("plain.onnx", "cgan.onnx")]


def test_an_unconditional_model_draws_the_images_of_the_seed_and_a_conditional_one_the_digits_in_turn(
    models: list[OnnxModel],
) -> None:
    plain, labelled = models
    np.testing.assert_array_equal(draw(plain, 7, 70), plain.images(7, 0, 70))
    noise = np.concatenate([noise_block(7, block, labelled.noise_dim) for block in (0, 1)])[:70]
    expected = labelled.run({"noise": noise, "label": np.arange(70) % 10})
    np.testing.assert_array_equal(draw(labelled, 7, 70), expected)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png), formats=["PNG"]))


def test_sheets_stand_side_by_side_below_their_titles(models: list[OnnxModel]) -> None:
    plain, labelled = models
    seen = pixels(picture([plain, labelled], ["one", "two"], 3, count=8, columns=4, beside=True))
    one = 4 * 58 + 2
    assert seen.shape == (HEAD + 2 * 58 + 2, 2 * one + BETWEEN)
    for model, sheet in ((plain, seen[HEAD:, :one]), (labelled, seen[HEAD:, one + BETWEEN :])):
        np.testing.assert_array_equal(sheet[60:116:2, 60:116:2], draw(model, 3, 8)[5, 0])
    assert (seen[:HEAD, :one] < 128).any()


def test_or_below_each_other_beside_their_titles(models: list[OnnxModel]) -> None:
    seen = pixels(picture([models[0]] * 3, ["a", "b", "c"], 3, count=4, columns=4, beside=False))
    assert seen.shape == (3 * 60, MARGIN + 4 * 58 + 2)
    np.testing.assert_array_equal(seen[:60, MARGIN:], seen[120:, MARGIN:])
    assert all((seen[60 * at : 60 * (at + 1), :MARGIN] < 128).any() for at in range(3))
