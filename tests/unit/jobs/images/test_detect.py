"""Whether images were made here: what proves it, what only says it, and what does neither."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ganlib.cli import app
from ganlib.core.errors import BadInput
from ganlib.data.splits import load_split
from ganlib.generation.conditions import choose
from ganlib.generation.detection import index as indexes
from ganlib.generation.session import OnnxModel
from ganlib.jobs.images.detect import detect
from tests.support import graphs
from tests.unit.generation.formats.suite import make

COUNT = 1000


@pytest.fixture(scope="module")
def prepared(checkout: Path) -> Path:
    return checkout / "data" / "prepared"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("model") / "g.onnx"
    graphs.write(path, condition="label")
    return OnnxModel(path)


@pytest.fixture(scope="module")
def batch(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("batch") / "out"
    make(model, out, "png", count=COUNT, seed=5, shard_size=400, origin={"model": "m", "version": 7})
    return out


@pytest.fixture(scope="module")
def index(batch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "detect.db"
    indexes.update(path, [batch])
    return path


def save(folder: Path, images: np.ndarray, suffix: str = "png", **options: object) -> list[Path]:
    """Each image in a file that says nothing."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{number}.{suffix}" for number in range(len(images))]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(file, **options)  # type: ignore[arg-type]
    return files


def test_a_thousand_images_without_their_marks_are_all_found_by_their_pixels(
    model: OnnxModel, batch: Path, index: Path, tmp_path: Path
) -> None:
    files = save(tmp_path / "bare", model.images(5, 0, COUNT))
    found = detect(None, None, files, index=index)
    assert {each.answer for each in found.files} == {"ours"}
    assert {each.proof for each in found.files} == {"pixels"}
    assert {(each.seed, each.model_sha256, each.model, each.version) for each in found.files} == {
        (5, model.sha256, "m", 7)
    }
    drawn = model.images(5, 0, COUNT)
    for number, each in enumerate(found.files):
        assert each.index is not None
        np.testing.assert_array_equal(drawn[each.index], drawn[number])


def test_no_real_image_is_taken_for_one_of_ours(prepared: Path, index: Path, tmp_path: Path) -> None:
    files = save(tmp_path / "real", load_split(prepared, "test").images[:300])
    found = detect(None, None, files, index=index)
    assert {(each.answer, each.proof) for each in found.files} == {("no sign", None)}


def test_ten_thousand_real_images_have_no_pixels_in_the_index(prepared: Path, index: Path) -> None:
    from ganlib.generation.detection.image import pixel_digest

    with indexes.ImageIndex(index) as opened:
        assert not any(opened.find(pixel_digest(image)) for image in load_split(prepared, "test").images)


def test_marks_say_it_and_the_model_proves_it(model: OnnxModel, batch: Path) -> None:
    files = sorted(batch.rglob("*.png"))[:5]
    said = detect(None, None, files)
    assert {each.answer for each in said.files} == {"says it is ours"}
    assert [(each.index, each.proof) for each in said.files] == [(number, None) for number in range(5)]
    proven = detect(None, None, files, model=str(model.path))
    assert {(each.answer, each.proof) for each in proven.files} == {("ours", "made again")}


def test_an_altered_image_with_its_marks_is_not_the_model_s(model: OnnxModel, batch: Path, tmp_path: Path) -> None:
    with Image.open(sorted(batch.rglob("*.png"))[3]) as image:
        image.load()
        text, pixels = dict(image.info), np.asarray(image).copy()
    pixels[0, 0] ^= 1
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    for name, value in text.items():
        chunks.add_itxt(str(name), str(value))
    Image.fromarray(pixels).save(tmp_path / "a.png", pnginfo=chunks)
    (found,) = detect(None, None, [tmp_path / "a.png"], model=str(model.path)).files
    assert (found.answer, found.proof) == ("says it is ours", None)
    assert "was altered" in found.reason


def test_a_seed_that_is_named_is_made_again_and_compared(model: OnnxModel, tmp_path: Path) -> None:
    files = save(tmp_path / "bare", model.images(8, 100, 3))
    found = detect(None, None, files, model=str(model.path), seed=8, start=90, count=50)
    assert [(each.answer, each.proof, each.index) for each in found.files] == [
        ("ours", "made again", number) for number in (100, 101, 102)
    ]
    elsewhere = detect(None, None, files, model=str(model.path), seed=8, start=0, count=50)
    assert {each.answer for each in elsewhere.files} == {"no sign"}


def test_what_was_saved_in_another_way_is_likely_and_never_proof(model: OnnxModel, index: Path, tmp_path: Path) -> None:
    images = model.images(5, 0, 4)
    colour = save(tmp_path / "colour", np.repeat(images, 3, axis=1).repeat(3, 2).repeat(3, 3))
    jpeg = save(tmp_path / "jpeg", images.repeat(4, 2).repeat(4, 3), "jpg", quality=95)
    found = detect(None, None, [*colour, *jpeg], index=index)
    assert {(each.answer, each.proof) for each in found.files} == {("likely ours", None)}
    assert "made grey again and made smaller by 3" in found.files[0].reason


def test_one_that_is_none_is_told_and_the_others_go_on(batch: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    found = detect(None, None, [tmp_path / "a.png", *sorted(batch.rglob("*.png"))[:1]])
    assert [each.answer for each in found.files] == ["unreadable", "says it is ours"]
    assert not found.ok


def test_the_command_takes_batches_in_and_finds_their_images(
    model: OnnxModel, batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GANLIB_ROOT", raising=False)
    words = ["detect", "index", str(batch), "--index", "my.db", "--json"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert json.loads(done.stdout)["batches"] == 1
    (file,) = save(tmp_path / "bare", model.images(5, 7, 1))
    done = CliRunner().invoke(app, ["detect", str(file), "--index", "my.db", "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["files"][0]["proof"] == "pixels"
    done = CliRunner().invoke(app, ["detect", str(file)], catch_exceptions=False)
    assert (done.exit_code, "no sign: that does not make it real" in done.stdout) == (0, True)
    (tmp_path / "none.png").write_text("none")
    done = CliRunner().invoke(app, ["detect", "none.png"], catch_exceptions=False)
    assert (done.exit_code, "none.png: unreadable" in done.stdout) == (1, True)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["a.png", "--seed", "3"], "--seed is of a model's images"),
        (["index"], "which batches?"),
        (["index", "nowhere"], "holds no finished batch"),
        (["a.png", "--index", "missing.db"], "there is no index at missing.db"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], line: str) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (3, 3)).save("a.png")
    with pytest.raises(BadInput, match=line.replace("?", r"\?")):
        CliRunner().invoke(app, ["detect", *words], catch_exceptions=False, standalone_mode=False)


def test_a_model_of_captions_makes_its_own_again(tmp_path: Path) -> None:
    graphs.write(tmp_path / "g.onnx", condition="caption")
    model = OnnxModel(tmp_path / "g.onnx")
    make(model, tmp_path / "out", "png", count=3, condition=choose(model, None, "a thin seven"))
    found = detect(None, None, sorted((tmp_path / "out").rglob("*.png")), model=str(model.path))
    assert {each.proof for each in found.files} == {"made again"}
