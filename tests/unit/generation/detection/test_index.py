"""The index of pixels: what goes in, what is passed over, what it is not."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ganlib.core.errors import BadInput, Unavailable
from ganlib.generation.detection import index as indexes
from ganlib.generation.detection.image import pixel_digest
from ganlib.generation.detection.index import ImageIndex
from ganlib.generation.session import OnnxModel
from tests.unit.generation.formats.suite import SEED, make


@pytest.mark.parametrize("form", ["npy", "npz", "parquet", "webdataset", "zarr"])
def test_images_of_any_format_are_found_by_their_pixels(model: OnnxModel, tmp_path: Path, form: str) -> None:
    make(model, tmp_path / "out", form, count=70, seed=3, start=9)
    found = indexes.update(tmp_path / "detect.db", [tmp_path / "out"])
    assert (found.images, found.batches, found.same) == (70, 1, 0)
    with ImageIndex(tmp_path / "detect.db") as index:
        for number in (9, 40, 78):
            entry = index.find(pixel_digest(model.images(3, number, 1)[0]))
            assert entry
            assert (entry.index, entry.seed, entry.model_sha256, entry.place) == (
                number, 3, model.sha256, str(tmp_path / "out"),
            )  # fmt: skip
        assert index.find(pixel_digest(model.images(3, 8, 1)[0])) is None


def test_a_batch_that_is_there_is_passed_over_and_one_that_grew_is_taken_in_anew(
    model: OnnxModel, tmp_path: Path
) -> None:
    out, path = tmp_path / "out", tmp_path / "detect.db"
    make(model, out, "npy", count=70)
    assert indexes.update(path, [out]).images == 70
    again = indexes.update(path, [out])
    assert (again.images, again.batches, again.same, again.total) == (0, 0, 1, 70)
    shutil.rmtree(out)
    make(model, out, "npy", count=90)
    more = indexes.update(path, [out])
    assert (more.images, more.batches, more.total) == (20, 1, 90)


def test_what_is_no_finished_batch_is_refused_and_nothing_of_the_others_is_taken_in(
    model: OnnxModel, tmp_path: Path
) -> None:
    make(model, tmp_path / "out", "npy", count=70)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="empty holds no finished batch; nothing was taken in"):
        indexes.update(tmp_path / "detect.db", [tmp_path / "out", tmp_path / "empty"])
    assert not (tmp_path / "detect.db").exists()


@pytest.mark.parametrize("content", [b"no database at all, and long enough to be looked at as one" * 9, None])
def test_a_file_that_is_something_else_is_refused_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "detect.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match="no index of images" if content else "make one with"):
        ImageIndex(path)
    assert path.exists() == (content is not None)


def test_likenesses_are_read_once_and_anew_when_another_program_has_written(model: OnnxModel, tmp_path: Path) -> None:
    path, images = tmp_path / "detect.db", model.images(3, 0, 70)
    make(model, tmp_path / "a", "npy", count=40, seed=3)
    make(model, tmp_path / "b", "npy", count=30, seed=3, start=40)
    indexes.update(path, [tmp_path / "a"])
    with ImageIndex(path, names_only=True) as index:
        reads: list[str] = []
        index._database.set_trace_callback(reads.append)  # noqa: SLF001  (what it asks of SQLite)
        for number in (0, 20, 39):
            entry, levels = index.nearest(images[number])  # type: ignore[misc]
            assert (entry.place, entry.index, levels) == ("a", number, 0)
        assert index.nearest(255 - images[0]) is None
        assert len([line for line in reads if "SELECT fields" in line]) == 1
        indexes.update(path, [tmp_path / "b"])
        entry, levels = index.nearest(images[60])  # type: ignore[misc]
        assert (entry.place, entry.index, entry.seed, levels) == ("b", 60, 3, 0)
        assert len([line for line in reads if "SELECT fields" in line]) == 2


def test_an_index_without_images_has_none_that_is_nearest(model: OnnxModel, tmp_path: Path) -> None:
    with closing(indexes._opened(tmp_path / "detect.db", create=True)):  # noqa: SLF001  (as a killed update leaves it)
        pass
    with ImageIndex(tmp_path / "detect.db") as index:
        assert index.nearest(model.images(3, 0, 1)[0]) is None


def test_who_looks_up_does_not_wait_for_who_takes_a_batch_in(model: OnnxModel, tmp_path: Path) -> None:
    make(model, tmp_path / "out", "npy", count=3)
    indexes.update(tmp_path / "detect.db", [tmp_path / "out"])
    with (
        closing(sqlite3.connect(tmp_path / "detect.db")) as writer,
        ImageIndex(tmp_path / "detect.db") as index,
    ):
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM images")
        assert index.nearest(model.images(SEED, 0, 1)[0]) is not None


def test_an_index_that_cannot_be_read_now_says_so(index: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(index, tmp_path))
    with ImageIndex(path) as opened, closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE batches")
        with pytest.raises(Unavailable, match="cannot be used just now"):
            opened.find(b"0" * 32)


def test_an_index_of_another_format_is_refused(tmp_path: Path, model: OnnxModel) -> None:
    with sqlite3.connect(tmp_path / "detect.db") as database:
        database.execute("PRAGMA user_version = 99")
        database.execute("CREATE TABLE other (x)")
    make(model, tmp_path / "out", "npy", count=3)
    with pytest.raises(BadInput, match="no index of images"):
        indexes.update(tmp_path / "detect.db", [tmp_path / "out"])


def test_shape_counts_besides_the_bytes() -> None:
    assert pixel_digest(np.zeros((1, 2, 8), np.uint8)) != pixel_digest(np.zeros((1, 4, 4), np.uint8))
