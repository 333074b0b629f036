"""`ganlib show interpolate`: what is written, where it is logged, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.jobs.images.interpolate import interpolate
from ganlib.tracking.store import MlflowStore
from tests import factories


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "generator.onnx"
    factories.graph(path)
    return path


def test_a_bare_file_needs_no_project(onnx: Path, tmp_path: Path) -> None:
    made = interpolate(None, None, str(onnx), out=tmp_path / "out", pairs=3, frames=5)
    assert [path.name for path in made.files] == ["interpolation.png", "interpolation.gif"]
    with Image.open(tmp_path / "out" / "interpolation.png") as sheet:
        assert sheet.size == (5 * 58 + 2, 3 * 58 + 2)
    with Image.open(tmp_path / "out" / "interpolation.gif") as gif:
        assert gif.n_frames == 8


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(onnx: Path, tmp_path: Path) -> None:
    first, again, other = (
        interpolate(None, None, str(onnx), out=tmp_path / str(at), seed=seed, pairs=2, frames=3).files
        for at, seed in enumerate((4, 4, 5))
    )
    for one, two, three in zip(first, again, other, strict=True):
        assert one.read_bytes() == two.read_bytes() != three.read_bytes()


def test_the_pictures_go_to_the_runs_artifacts_too(store: MlflowStore, onnx: Path, tmp_path: Path) -> None:
    run_id = factories.finished_run(store, onnx)
    made = interpolate(
        store.project, load(store.project.params_file), f"runs:/{run_id}", out=tmp_path / "out", pairs=1, frames=2
    )
    kept = store.download(run_id, "interpolation", tmp_path / "kept")
    for path in made.files:
        assert (kept / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": ["3"]}, "takes no label: it is unconditional"),
        ({"captions": ["bold 3"]}, "takes no caption: it is unconditional"),
        ({"frames": 1}, "frames must be between 2"),
        ({"pairs": 0}, "pairs must be between 1"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    onnx: Path, tmp_path: Path, wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        interpolate(None, None, str(onnx), out=tmp_path / "out", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
