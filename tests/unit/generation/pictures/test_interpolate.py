"""Great circles between rows of noise, and the pictures that are made along them."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib.config import ExportConfig
from ganlib.core.errors import BadInput
from ganlib.data.mnist.captions import encode
from ganlib.export.contract import Description
from ganlib.export.onnx import export
from ganlib.generation.conditions import texts
from ganlib.generation.pictures.interpolate import (
    animation,
    between_conditions,
    between_seeds,
    conditions,
    picture,
    slerp,
)
from ganlib.generation.session import OnnxModel
from tests.support.described import PLAIN, WITH_CAPTION, WITH_CLASS_NAMES, WITH_LABEL, WITH_POOL, described
from tests.support.painters import Halves
from tests.support.specs import CAPTIONS, ICONS, SHOP


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
    ("model", "labels", "captions", "message"),
    [
        (PLAIN, ["3"], None, "takes no label: it is unconditional"),
        (PLAIN, None, ["bold 3"], "takes no caption: it is unconditional"),
        (WITH_CAPTION, ["3"], None, "takes no label, only a caption"),
        (WITH_LABEL, None, ["bold 3"], "takes no caption, only a label"),
        (WITH_LABEL, ["3", "10"], None, "unknown class '10'"),
        (WITH_LABEL, ["balanced"], None, "'balanced' is not the name of one class"),
        (WITH_CAPTION, None, ["bold"], "names no digit"),
    ],
)
def test_what_a_model_does_not_take_is_refused(
    model: Description, labels: list[str] | None, captions: list[str] | None, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        conditions(model, labels, captions)


def test_conditions_are_what_was_asked_or_else_all_classes() -> None:
    assert conditions(PLAIN) == {}
    assert conditions(WITH_LABEL, ["3", "8"])["label"].tolist() == [3, 8]
    assert conditions(WITH_LABEL)["label"].tolist() == list(range(10))
    assert conditions(WITH_CLASS_NAMES)["label"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(conditions(WITH_CAPTION, None, ["bold 3"])["caption"], [encode("bold 3")])
    np.testing.assert_array_equal(conditions(WITH_CAPTION)["caption"][7], encode("7"))
    assert list(texts(conditions(WITH_POOL)["caption"])) == list(CAPTIONS)


def test_of_many_classes_some_are_shown_from_first_to_last() -> None:
    many = described("label", spec=SHOP.model_copy(update={"class_names": tuple(f"kind {k}" for k in range(1000))}))
    shown = conditions(many)["label"].tolist()
    assert (len(shown), shown[0], shown[1], shown[-1]) == (16, 0, 62, 937)


def test_a_file_that_keeps_no_captions_shows_none_unless_they_are_given() -> None:
    bare = described("caption", spec=ICONS)
    with pytest.raises(BadInput, match="keeps no captions to show"):
        conditions(bare)
    assert list(texts(conditions(bare, None, ["a Heart"])["caption"])) == ["a heart"]


def test_a_row_goes_from_one_image_of_the_seed_to_the_next(model: OnnxModel) -> None:
    grid = between_seeds(model, 5, 40, 6, {})
    images = model.images(5, 0, 80)
    assert grid.shape == (40, 6, 1, 28, 28)
    np.testing.assert_array_equal(grid[:, 0], images[::2])
    np.testing.assert_array_equal(grid[:, -1], images[1::2])


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("painter") / "g.onnx"
    export(Halves(), 2, path, ExportConfig(parity_batches=(2,)), {}, SHOP, condition="label")
    return OnnxModel(path)


def painted(grid: np.ndarray) -> list[list[int]]:
    """The labels by the red of their lower halves, of which nothing is green or blue."""
    assert not grid[:, :, 1:, 20, 20].any()
    labels: list[list[int]] = np.rint(grid[:, :, 0, 20, 20] / 64).astype(int).tolist()
    return labels


def test_a_row_holds_its_label_and_the_rows_take_turns(painter: OnnxModel) -> None:
    grid = between_seeds(painter, 0, 3, 4, conditions(painter, ["shoe", "hat"]))
    assert grid.shape == (3, 4, 3, 32, 32)
    assert painted(grid) == [[1] * 4, [0] * 4, [1] * 4]


def test_between_labels_the_noise_is_held_and_only_the_label_changes(painter: OnnxModel) -> None:
    grid = between_conditions(painter, 0, 5, conditions(painter))
    assert painted(grid) == [[0, 1, 2]] * 5
    upper = grid[:, :, 0, 0, 0]
    assert (upper == upper[:, :1]).all()
    assert len(np.unique(upper[:, 0])) == 5


@pytest.mark.parametrize("channels", [1, 3])
def test_the_animation_goes_forth_and_back_for_ever(channels: int) -> None:
    grid = np.ones((3, 4, channels, 28, 28), np.uint8) * np.arange(0, 240, 20, np.uint8).reshape(3, 4, 1, 1, 1)
    with Image.open(io.BytesIO(animation(grid, "a packet", milliseconds=80))) as gif:
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
    with Image.open(io.BytesIO(picture(np.zeros((3, 7, 1, 28, 28), np.uint8), "a packet"))) as sheet:
        assert sheet.size == (7 * 58 + 2, 3 * 58 + 2)
