"""Two versions side by side."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ganlib.config import Params
from ganlib.core.project import Project
from ganlib.generation.pictures.side_by_side import BETWEEN, HEAD
from ganlib.generation.session import OnnxModel
from ganlib.jobs.measuring.diff import diff
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests import factories

NAME = "mnist-generator"


def test_two_versions_are_compared_figure_by_figure_and_image_by_image(
    made: Project, params: Params, tmp_path: Path
) -> None:
    done = diff(made, params, "1", "2", out=tmp_path / "grid.png", seed=3)
    fid = next(each for each in done.metrics if each.name == "fid")
    assert (fid.a, fid.b, fid.change) == (20, 10, -10)
    assert fid.paired
    assert fid.low and fid.high and -11 < fid.low < -10 < fid.high < -9  # noqa: PT018
    precision = next(each for each in done.metrics if each.name == "precision")
    assert (precision.change, precision.low, precision.high, precision.paired) == (0, 0, 0, False)
    names = {each.name for each in done.metrics}
    assert {"kid", "recall", "density", "coverage", "diversity", "copies", "bytes", "latency_ms"} <= names
    assert done.incomparable == ()
    assert done.params == {}
    assert done.a.bytes == (made.root / "1.onnx").stat().st_size
    assert done.a.images_per_second > 0
    sheet = np.asarray(Image.open(io.BytesIO((tmp_path / "grid.png").read_bytes())))
    one = 8 * 58 + 2
    assert sheet.shape == (HEAD + one, 2 * one + BETWEEN)
    left, right = sheet[HEAD:, :one], sheet[HEAD:, one + BETWEEN :]
    first = OnnxModel(made.root / "1.onnx").images(3, 0, 1)[0, 0].repeat(2, 0).repeat(2, 1)
    assert (left[2:58, 2:58] == first).all()
    assert (left == right).all(), "the same weights, the same noise"
    assert "fid" in done.summary()


def test_figures_of_other_data_are_called_incomparable(made: Project, params: Params) -> None:
    registry = Registry(connect(made), NAME)
    kept = registry.tags(2)["evidence"]
    registry.record_evaluation(2, factories.evaluation(5, seed=9), made.root / "2.onnx")
    try:
        done = diff(made, params, "1", "2")
    finally:
        registry.tag(2, {"evidence": kept})
    assert done.incomparable == ("seed",)
    assert "not comparable: other seed" in done.summary()
