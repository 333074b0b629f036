"""The page of a decision: one table of figures, one picture, the champion left and the challenger right in both."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib.config import load
from ganlib.core.project import Project
from ganlib.generation.pictures.side_by_side import BETWEEN, HEAD, draw
from ganlib.generation.session import OnnxModel
from ganlib.jobs.promotion.gate_report import REPORT
from ganlib.jobs.promotion.promote import promote
from ganlib.tracking import history
from ganlib.tracking.store import connect
from tests import factories


@pytest.fixture(scope="module")
def project(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Version 1 is champion; version 2, another net, was refused."""
    made = factories.project(tmp_path_factory.mktemp("report") / "project", empty_database)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store, params = connect(made), load(made.params_file)
        for number, fid in ((1, 10), (2, 12)):
            factories.graph(made.root / f"{number}.onnx", seed=number)
            factories.registered(store, made.root / f"{number}.onnx", fid)
            assert promote(made, params, str(number)).promoted == (number == 1)
        yield made


def page(project: Project, number: int) -> str:
    store = connect(project)
    run = store.client.get_model_version("mnist-generator", str(number)).run_id
    found = history.text(store, run, REPORT)
    assert found
    return found


def picture(html: str) -> np.ndarray:
    (encoded,) = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", html)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def test_one_picture_has_the_champion_left_and_the_challenger_right_on_the_same_noise(project: Project) -> None:
    pixels = picture(page(project, 2))
    one = 10 * 58 + 2
    assert pixels.shape == (HEAD + 6 * 58 + 2, 2 * one + BETWEEN)
    for number, sheet in ((1, pixels[HEAD:, :one]), (2, pixels[HEAD:, one + BETWEEN :])):
        images = draw(OnnxModel(project.root / f"{number}.onnx"), 0, 60)
        for at in (0, 9, 59):
            top, left = 2 + at // 10 * 58, 2 + at % 10 * 58
            np.testing.assert_array_equal(sheet[top : top + 56 : 2, left : left + 56 : 2], images[at, 0])
    assert (pixels[:HEAD, :one] < 255).any()
    assert (pixels[:HEAD, one + BETWEEN :] < 255).any(), "both have a title"


def test_the_table_has_both_models_figures_their_difference_with_an_interval_and_real_images(project: Project) -> None:
    html = page(project, 2)
    (head,) = re.findall(r"<table><tr>(<th></th><th>version 1.*?)</tr>", html)
    assert re.findall(r"<th>(.*?)</th>", head) == [
        *("", "version 1 (dcgan)", "version 2 (dcgan)", "challenger less champion", "real images", "better"),
    ]
    (fid,) = re.findall(r"<tr><td>FID</td>(.*?)</tr>", html)
    cells = re.findall(r"<td>(.*?)</td>", fid)
    assert cells[:2] == ["10 [9.5, 10.5]", "12 [11.5, 12.5]"]
    assert re.fullmatch(r"\+2 \[\+1\.\d+, \+2\.\d+\]", cells[2])
    for figure in ("precision", "recall", "density", "coverage"):
        assert re.search(rf"<tr><td>{figure}</td><td>0.8 .*?\+0 \[\+0, \+0\] unpaired", html)
    assert "version 2 refused" in html
    assert "FID 12 [11.5, 12.5] against 10 [9.5, 10.5]" in html


def test_the_first_champion_s_page_has_its_own_images_and_no_difference(project: Project) -> None:
    html = page(project, 1)
    assert picture(html).shape[1] == 10 * 58 + 2
    assert "challenger less champion" not in html
    assert "there is no champion" in html
