"""A user's own folder becomes IDX files, or a message that names what is wrong with it."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib.core.errors import BadInput
from ganlib.data import folder
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist import idx
from ganlib.data.splits import Split
from tests.unit.data.builders import digits, idx_files, png_folders, write_files


def by_class(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels in the order of class folders."""
    order = np.argsort(split.labels, kind="stable")
    return split.images[order], split.labels[order]


def test_pngs_by_class_become_two_idx_files(tmp_path: Path) -> None:
    source = digits(40)
    files = folder.read(png_folders(tmp_path, source))
    images, labels = by_class(source)
    assert set(files) == {mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS}
    np.testing.assert_array_equal(idx.parse_images(files[mnist.TRAIN_IMAGES], "x"), images)
    np.testing.assert_array_equal(idx.parse_labels(files[mnist.TRAIN_LABELS], "x"), labels)


def test_train_and_test_folders_of_pngs_become_four_idx_files(tmp_path: Path) -> None:
    png_folders(tmp_path / "train", digits(40))
    png_folders(tmp_path / "test", digits(20, seed=1))
    files = folder.read(tmp_path)
    assert set(files) == set(mnist.SHA256)
    np.testing.assert_array_equal(idx.parse_images(files[mnist.TEST_IMAGES], "x"), by_class(digits(20, seed=1))[0])


@pytest.mark.parametrize("test", [100, None])
def test_idx_files_are_taken_as_they_are_with_gzip_or_without(tmp_path: Path, test: int | None) -> None:
    files = idx_files(test=test)
    packed = {f"{name}.gz": gzip.compress(data) for name, data in files.items()}
    assert folder.read(write_files(tmp_path / "plain", files)) == files
    assert folder.read(write_files(tmp_path / "packed", packed)) == files


def test_half_a_pair_of_idx_files_is_refused(tmp_path: Path) -> None:
    files = idx_files()
    del files[mnist.TEST_LABELS]
    with pytest.raises(BadInput, match="lacks t10k-labels-idx1-ubyte"):
        folder.read(write_files(tmp_path, files))


def test_a_damaged_idx_file_is_named_with_the_offset(tmp_path: Path) -> None:
    files = idx_files()
    files[mnist.TEST_LABELS] += b"!"
    with pytest.raises(BadInput, match="t10k-labels-idx1-ubyte: byte 108: 1 bytes follow"):
        folder.read(write_files(tmp_path, files))


@pytest.mark.parametrize(
    ("picture", "found"),
    [
        (Image.new("L", (27, 28)), "27x28 of mode L"),
        (Image.new("L", (3000, 3000)), "3000x3000 of mode L"),
        (Image.new("RGB", (28, 28)), "28x28 of mode RGB"),
        (Image.new("LA", (28, 28)), "28x28 of mode LA"),
        (Image.new("I;16", (28, 28)), "28x28 of mode I;16"),
    ],
)
def test_a_png_of_another_size_or_kind_is_named(tmp_path: Path, picture: Image.Image, found: str) -> None:
    png_folders(tmp_path, digits(20))
    picture.save(tmp_path / "7" / "odd.png")
    with pytest.raises(BadInput, match=rf"7/odd\.png is {found}; 28x28 of mode L"):
        folder.read(tmp_path)


@pytest.mark.parametrize("kind", ["garbage", "truncated", "jpeg"])
def test_a_file_that_is_no_whole_png_is_named(tmp_path: Path, kind: str) -> None:
    png_folders(tmp_path, digits(20))
    victim = tmp_path / "3" / "00003.png"
    if kind == "jpeg":
        Image.new("L", (28, 28)).save(victim, format="JPEG")
    else:
        victim.write_bytes(b"not a picture" if kind == "garbage" else victim.read_bytes()[:150])
    with pytest.raises(BadInput, match=r"3/00003\.png is not a readable PNG"):
        folder.read(tmp_path)


def test_other_files_among_the_pngs_are_named_but_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    png_folders(tmp_path, digits(20))
    (tmp_path / "4" / ".DS_Store").write_bytes(b"x")
    assert len(idx.parse_labels(folder.read(tmp_path)[mnist.TRAIN_LABELS], "x")) == 20
    (tmp_path / "4" / "notes.txt").write_text("x")
    with pytest.raises(BadInput, match=r"4/notes\.txt is not a PNG file"):
        folder.read(tmp_path)
    (tmp_path / "4" / "scan.jpg").write_bytes(b"x")
    with pytest.raises(BadInput, match=r"4/notes\.txt is not a PNG file \(1 more like it in that folder\)"):
        folder.read(tmp_path)


def test_what_is_passed_over_is_told_by_name_and_number(tmp_path: Path) -> None:
    png_folders(tmp_path, digits(20))
    assert folder.passed_over(tmp_path) is None
    before = folder.digest(tmp_path)
    for name in ("10", "letters/a"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(tmp_path / "1" / "00001.png", tmp_path / "letters" / "a" / "1.png")
    for name in ("Thumbs.db", "1/Thumbs.db", "2/thumbs.DB", "3/.DS_Store", "labels.csv"):
        (tmp_path / name).write_bytes(b"x")
    found = folder.passed_over(tmp_path)
    assert found == "10/ (0 files), letters/ (1 file), .DS_Store, Thumbs.db (2 times), labels.csv, thumbs.DB"
    assert folder.digest(tmp_path) == before
    for number in range(20):
        (tmp_path / f"extra-{number:02d}").mkdir()
    assert "extra-10/ (0 files) and" in str(folder.passed_over(tmp_path))


def test_what_lies_beside_train_and_test_or_beside_idx_files_is_told(tmp_path: Path) -> None:
    png_folders(tmp_path / "train", digits(20))
    png_folders(tmp_path / "test", digits(20, seed=1))
    png_folders(tmp_path / "validation", digits(20, seed=2))
    assert folder.passed_over(tmp_path) == "validation/ (20 files)"
    write_files(tmp_path / "idx", idx_files())
    png_folders(tmp_path / "idx", digits(10))
    (tmp_path / "idx" / "README").write_text("x")
    assert "README" in str(folder.passed_over(tmp_path / "idx"))
    assert "0/ (1 file)" in str(folder.passed_over(tmp_path / "idx"))


def test_all_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    png_folders(tmp_path, digits(40))
    for number in (3, 13, 24):
        (tmp_path / str(number % 10) / f"{number:05d}.png").write_bytes(b"not a picture")
    with pytest.raises(BadInput, match=r"3/00003\.png is not a readable PNG: .* 2 more files cannot be used either"):
        folder.read(tmp_path)


def test_a_missing_class_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    png_folders(tmp_path / "set", digits(9))
    with pytest.raises(BadInput, match=r"has no folder 9\. Wanted: four IDX files"):
        folder.read(tmp_path / "set")
    (tmp_path / "set" / "nine").mkdir()
    with pytest.raises(BadInput, match=r"has no folder 9\. Wanted: .* There is: nine\."):
        folder.read(tmp_path / "set")
    with pytest.raises(BadInput, match="nowhere is not a folder"):
        folder.digest(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="is not a folder"):
        folder.digest(tmp_path / "set" / "1" / "00001.png")


def test_the_digest_knows_content_and_names_but_not_the_place(tmp_path: Path) -> None:
    one, two = (png_folders(tmp_path / name, digits(20)) for name in ("one", "two"))
    assert folder.digest(one) == folder.digest(two)
    (two / "0" / "00000.png").rename(two / "0" / "other.png")
    renamed = folder.digest(two)
    png_folders(tmp_path / "three", digits(20, seed=5))
    assert len({folder.digest(one), renamed, folder.digest(tmp_path / "three")}) == 3
