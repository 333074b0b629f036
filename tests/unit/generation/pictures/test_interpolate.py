"""Great circles between rows of noise, and the pictures that are made along them."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ganlib.config import ExportConfig
from ganlib.core.errors import BadInput
from ganlib.data.mnist.captions import encode
from ganlib.export.contract import Contract, TensorType
from ganlib.export.onnx import export
from ganlib.generation.pictures.interpolate import (
    animation,
    between_conditions,
    between_seeds,
    conditions,
    picture,
    slerp,
)
from ganlib.generation.session import OnnxModel

NOISE = TensorType(dtype="float32", dims=(None, 2))
PLAIN = Contract(inputs={"noise": NOISE})
LABELLED = Contract(inputs={"noise": NOISE, "label": TensorType(dtype="int64", dims=(None,))})
CAPTIONED = Contract(inputs={"noise": NOISE, "caption": TensorType(dtype="int64", dims=(None, 64))})


def rows(*values: list[float]) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_quarter_turn_goes_through_the_diagonal_at_equal_angles() -> None:
    (path,) = slerp(rows([1, 0]), rows([0, 1]), 4)
    turns = [math.pi / 2 * share for share in (0, 1 / 3, 2 / 3, 1)]
    np.testing.assert_allclose(path, [[math.cos(turn), math.sin(turn)] for turn in turns], atol=1e-7)


def test_the_length_is_kept_where_both_have_it_and_goes_evenly_where_they_have_not() -> None:
    start, end = rows([3, 0, 4], [0, 2, 0]), rows([0, 5, 0], [0, 0, 4])
    lengths = np.linalg.norm(slerp(start, end, 5), axis=2)
    np.testing.assert_allclose(lengths, [[5] * 5, [2, 2.5, 3, 3.5, 4]], rtol=1e-6)


def test_the_ends_are_the_given_rows_bit_for_bit() -> None:
    start, end = np.random.default_rng(0).standard_normal((2, 50, 64), np.float32)
    path = slerp(start, end, 7)
    assert path.dtype == np.float32
    np.testing.assert_array_equal(path[:, 0], start)
    np.testing.assert_array_equal(path[:, -1], end)


def test_opposite_rows_turn_through_a_third_direction_and_never_pass_the_origin() -> None:
    start = rows([2, 0.5, 1])
    (path,) = slerp(start, -start, 3)
    assert np.linalg.norm(path[1]) == pytest.approx(np.linalg.norm(start), rel=1e-6)
    assert path[1] @ start[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("start", "end", "middle"),
    [
        ([1.0, 2.0], [1.0, 2.0], [1, 2]),
        ([1.0, 2.0], [3.0, 6.0], [2, 4]),
        ([0.0, 0.0], [2.0, 2.0], [1, 1]),
        ([1.0], [-3.0], [-1]),
    ],
)
def test_where_there_is_no_turn_the_way_is_straight(start: list[float], end: list[float], middle: list[float]) -> None:
    (path,) = slerp(rows(start), rows(end), 3)
    np.testing.assert_allclose(path[1], middle, atol=1e-6)


@pytest.mark.parametrize(
    ("contract", "labels", "captions", "message"),
    [
        (PLAIN, ["3"], None, "takes no label: it is unconditional"),
        (PLAIN, None, ["bold 3"], "takes no caption: it is unconditional"),
        (CAPTIONED, ["3"], None, "takes no label, only a caption"),
        (LABELLED, None, ["bold 3"], "takes no caption, only a label"),
        (LABELLED, ["3", "10"], None, "'10' is not a digit"),
        (LABELLED, ["balanced"], None, "'balanced' is not a digit"),
        (CAPTIONED, None, ["bold"], "names no digit"),
    ],
)
def test_what_a_model_does_not_take_is_refused(
    contract: Contract, labels: list[str] | None, captions: list[str] | None, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        conditions(contract, labels, captions)


def test_conditions_are_what_was_asked_or_else_all_ten_digits() -> None:
    assert conditions(PLAIN, None, None) == {}
    assert conditions(LABELLED, ["3", "8"], None)["label"].tolist() == [3, 8]
    assert conditions(LABELLED, None, None)["label"].tolist() == list(range(10))
    np.testing.assert_array_equal(conditions(CAPTIONED, None, ["bold 3"])["caption"], [encode("bold 3")])
    np.testing.assert_array_equal(conditions(CAPTIONED, None, None)["caption"][7], encode("7"))


def test_a_row_goes_from_one_image_of_the_seed_to_the_next(model: OnnxModel) -> None:
    grid = between_seeds(model, 5, 40, 6, {})
    images = model.images(5, 0, 80)[:, 0]
    assert grid.shape == (40, 6, 28, 28)
    np.testing.assert_array_equal(grid[:, 0], images[::2])
    np.testing.assert_array_equal(grid[:, -1], images[1::2])


class Painter(nn.Module):
    """The label is the grey level of the lower half, the noise that of the upper."""

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        halves = torch.stack([noise[:, 0].tanh(), label.float() / 5 - 1], dim=1)
        return halves.repeat_interleave(14, dim=1).view(-1, 1, 28, 1).expand(-1, 1, 28, 28)


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("painter") / "g.onnx"
    export(Painter(), 2, path, ExportConfig(parity_batches=(2,)), {}, condition="label")
    return OnnxModel(path)


def digits(grid: np.ndarray) -> list[list[int]]:
    return np.rint(grid[:, :, 20, 20] / 25.5).astype(int).tolist()


def test_a_row_holds_its_label_and_the_rows_take_turns(painter: OnnxModel) -> None:
    grid = between_seeds(painter, 0, 3, 4, conditions(LABELLED, ["3", "8"], None))
    assert digits(grid) == [[3] * 4, [8] * 4, [3] * 4]


def test_between_labels_the_noise_is_held_and_only_the_label_changes(painter: OnnxModel) -> None:
    grid = between_conditions(painter, 0, 5, conditions(LABELLED, None, None))
    assert digits(grid) == [list(range(10))] * 5
    upper = grid[:, :, 0, 0]
    assert (upper == upper[:, :1]).all()
    assert len(np.unique(upper[:, 0])) == 5


def test_the_animation_goes_forth_and_back_for_ever() -> None:
    grid = np.arange(3 * 4, dtype=np.uint8).reshape(3, 4, 1, 1).repeat(28, axis=2).repeat(28, axis=3) * 20
    with Image.open(io.BytesIO(animation(grid, milliseconds=80))) as gif:
        assert gif.info["loop"] == 0
        assert gif.n_frames == 6
        seen, shown = [], []
        for at in range(6):
            gif.seek(at)
            seen.append(round(gif.convert("L").getpixel((10, 10)) / 20))
            shown.append(gif.info["duration"])
    assert seen == [0, 1, 2, 3, 2, 1]
    assert shown == [400, 80, 80, 400, 80, 80]


def test_the_picture_has_a_row_a_pair(tmp_path: Path) -> None:
    with Image.open(io.BytesIO(picture(np.zeros((3, 7, 28, 28), np.uint8)))) as sheet:
        assert sheet.size == (7 * 58 + 2, 3 * 58 + 2)
