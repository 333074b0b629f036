"""A judge from a file of the user's: what serves, and the line for each kind that cannot."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.evaluation.judge import onnx_judge
from ganlib.evaluation.judge.onnx_judge import open_judge, softmax
from tests.shapes import SHAPES, UNLABELLED, drawn
from tests.unit.evaluation.judge.graphs import toy

IMAGES = drawn(70).images


def test_a_file_of_features_alone_is_a_judge_without_classes(tmp_path: Path) -> None:
    path = toy(tmp_path / "mine.onnx")
    judge = open_judge(path, SHAPES)
    judge.require_sight(IMAGES)
    said = judge.features(IMAGES, batch=32)
    assert (judge.sha256, judge.name, judge.class_names) == (sha256_file(path), "mine.onnx", ())
    assert (judge.image, said.features.dtype, said.features.shape) == (SHAPES.image, np.float32, (70, 8))
    assert said.probabilities.shape == (70, 0)


def test_logits_of_the_data_s_classes_become_probabilities(tmp_path: Path) -> None:
    judge = open_judge(toy(tmp_path / "mine.onnx", logits=3), SHAPES)
    said = judge.features(IMAGES)
    assert judge.class_names == SHAPES.class_names
    assert said.probabilities.shape == (70, 3)
    assert np.allclose(said.probabilities.sum(axis=1), 1, atol=1e-6)


def test_a_graph_may_leave_height_and_width_open(tmp_path: Path) -> None:
    judge = open_judge(toy(tmp_path / "mine.onnx", dims=("batch", 3, "h", "w")), UNLABELLED)
    assert judge.features(IMAGES).features.shape == (70, 8)


def test_what_is_said_of_an_image_depends_neither_on_its_batch_nor_on_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = open_judge(toy(tmp_path / "mine.onnx", logits=3), SHAPES)
    whole = judge.features(IMAGES, batch=70)
    monkeypatch.setattr(onnx_judge, "usable_cores", lambda: 3)
    parts = judge.features(IMAGES, batch=9)
    assert np.allclose(whole.features, parts.features, rtol=1e-5)
    monkeypatch.setattr(onnx_judge, "usable_cores", lambda: 1)
    assert np.array_equal(judge.features(IMAGES, batch=9).features, parts.features)


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ({"dims": ("batch", 3, 16, 16)}, r"takes image uint8\[batch, 3, 16, 16\]; .* image uint8\[batch, 3, 32, 32\]"),
        ({"dims": ("batch", 1, 32, 32)}, r"takes image uint8\[batch, 1, 32, 32\]"),
        ({"dims": (1, 3, 32, 32)}, "with a batch of any size"),
        ({"kind": TensorProto.FLOAT}, r"takes image float\["),
        ({"features": "pool"}, r"gives pool float\[batch, 8\], and no features"),
        ({"logits": 1000}, r"gives logits float\[batch, 1000\], but shapes has 3 classes"),
    ],
)
def test_a_graph_of_another_form_is_refused_in_one_line(tmp_path: Path, form: dict[str, Any], line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        open_judge(toy(tmp_path / "mine.onnx", **form), SHAPES)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert "docs/judges.md" in str(caught.value)


def test_logits_where_the_images_have_no_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="shapes has no classes: without that output it can serve"):
        open_judge(toy(tmp_path / "mine.onnx", logits=3), UNLABELLED)


@pytest.mark.parametrize(("scale", "line"), [(0.0, "same features for each of 70"), (math.nan, "NaN or infinity")])
def test_a_judge_that_sees_nothing_is_refused(tmp_path: Path, scale: float, line: str) -> None:
    judge = open_judge(toy(tmp_path / "mine.onnx", scale=scale), SHAPES)
    with pytest.raises(BadInput, match=line):
        judge.require_sight(IMAGES)


def test_a_file_that_is_missing_or_no_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        open_judge(tmp_path / "mine.onnx", SHAPES)
    (tmp_path / "mine.onnx").write_bytes(b"no graph")
    with pytest.raises(BadInput, match=r"cannot run mine\.onnx"):
        open_judge(tmp_path / "mine.onnx", SHAPES)


def test_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    judge = open_judge(toy(tmp_path / "mine.onnx"), SHAPES)
    with pytest.raises(BadInput, match=r"takes uint8 images \[n, 3, 32, 32\], not uint8 \[70, 1, 32, 32\]"):
        judge.features(IMAGES[:, :1])


def test_softmax_is_safe_with_large_logits() -> None:
    assert np.allclose(softmax(np.array([[1e4, 1e4], [0, -1e4]], np.float32)), [[0.5, 0.5], [1, 0]])
