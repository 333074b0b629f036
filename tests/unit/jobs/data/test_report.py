"""The report of a data version says what there is, and its sheet shows it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from ganlib.config import DataConfig
from ganlib.core.project import Project
from ganlib.data.prepare import prepare
from ganlib.data.versioning import dvc_cache, state
from ganlib.jobs.data import report
from tests.unit.data.builders import imported
from tests.unit.data.importing.pictures import class_folders, noise, save


def versioned(root: Path, source: Path, **options: object) -> Project:
    """A project that holds ``source`` as its version, without DVC."""
    project = Project(root)
    imported(source, project.raw, **options)
    prepare(project.raw, project.prepared, DataConfig(source="own"))
    stages = {
        name: {
            "cmd": "x",
            "outs": [{"md5": dvc_cache.tree_md5(dvc_cache.tree(state.folder_of(project, name)))}],
            "params": {"params.yaml": {"data.source": "../own"}},
        }
        for name in state.STAGES
    }
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    return project


def sheet(project: Project) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(report.contact_sheet(project))).convert("RGB"))


def test_the_page_has_counts_sizes_and_what_was_set_aside(tmp_path: Path) -> None:
    own = class_folders(tmp_path / "own", ["ankle boot", "bag"], each=60)
    (own / "bag" / "000.png").write_bytes(b"x")
    (own / "notes.txt").write_text("x")
    page = report.page(versioned(tmp_path, own))
    assert "| ankle boot | 47 | 4 | 9 |" in page
    assert "1 set aside" in page
    assert "| `bag/000.png` | not a picture of a known format" in page
    assert "Not used: notes.txt." in page
    assert "Pictures of 32x32 to 32x32 (1 size; median side 32); kinds of pixels: 119 RGB." in page


@pytest.mark.parametrize(("classes", "rows"), [(3, 3), (25, 20)])
def test_the_sheet_has_a_row_a_class_and_ten_images_at_most(tmp_path: Path, classes: int, rows: int) -> None:
    own = class_folders(tmp_path / "own", [f"c{number}" for number in range(classes)], each=13)
    picture = sheet(versioned(tmp_path, own))
    assert picture.shape == (rows * (64 + 2) + 2, 10 * (64 + 2) + 2, 3)


def test_a_class_of_few_images_has_blanks_and_unlabelled_images_fill_a_square(tmp_path: Path) -> None:
    own = class_folders(tmp_path / "own", ["a", "b"], each=30)
    save(own / "c" / "1.png", noise(seed=77))
    picture = sheet(versioned(tmp_path / "one", own))
    row = picture[2 * 66 + 2 : 2 * 66 + 66]
    np.testing.assert_array_equal(row[::2, 2:66:2], np.asarray(noise(seed=77)))
    assert (row[:, 68:] == 64).all()
    flat = tmp_path / "flat"
    for place in range(150):
        save(flat / f"{place}.png", noise(seed=place))
    assert sheet(versioned(tmp_path / "two", flat)).shape == (662, 662, 3)


def test_what_was_published_has_a_page_too(checkout: Path) -> None:
    project = Project(checkout)
    if not project.prepared.exists():
        pytest.skip("no data version: .venv/bin/ganlib data version")
    page = report.page(project)
    assert "55,000 train, 5,000 validation, 10,000 test images of 1x28x28" in page
    assert "| 0 | 5,429 | 494 | 980 |" in page
    assert sheet(project).shape[0] == 10 * (2 * 28 + 2) + 2
