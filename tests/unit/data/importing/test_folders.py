"""Folders are understood as people lay them out, or refused with what there is and what is wanted."""

from __future__ import annotations

import errno
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganlib.core.errors import BadInput
from ganlib.data.importing import files
from ganlib.data.importing.layout import Source
from tests.unit.data.builders import imported
from tests.unit.data.importing.pictures import class_folders, layout, save


def labels(place: Path) -> list[tuple[str | None, str | None]]:
    return sorted({(picture.label, picture.split) for picture in layout(place).pictures()}, key=str)


def test_a_folder_a_class_gives_its_names_in_order_whatever_they_are(tmp_path: Path) -> None:
    names = ["T-shirt .top", "ankle boot", "čaj", "茶", ".hidden"]
    class_folders(tmp_path, names)
    found = layout(tmp_path)
    assert found.class_names == ("T-shirt .top", "ankle boot", "čaj", "茶")
    assert found.total == 24
    assert found.kind == "a folder for each of 4 classes"


def test_a_name_in_decomposed_letters_is_the_same_class_name(tmp_path: Path) -> None:
    class_folders(tmp_path, [unicodedata.normalize("NFD", "café"), "tea"])
    assert layout(tmp_path).class_names == ("café", "tea")


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    class_folders(tmp_path, ["10", "9", "2"], each=1)
    assert layout(tmp_path).class_names == ("2", "9", "10")


def test_train_and_test_are_splits_and_validation_is_told(tmp_path: Path) -> None:
    class_folders(tmp_path / "Train", ["a", "b"])
    class_folders(tmp_path / "test", ["a", "b"])
    assert labels(tmp_path) == [("a", "test"), ("a", "train"), ("b", "test"), ("b", "train")]
    class_folders(tmp_path / "val", ["a", "b"])
    assert layout(tmp_path).total == 36
    assert layout(tmp_path).notes == ("val/ is counted into Train/, of which validation is drawn",)
    shutil.rmtree(tmp_path / "test")
    assert layout(tmp_path).notes == ("val/ is the test split: there is no test/",)
    assert labels(tmp_path) == [("a", "test"), ("a", "train"), ("b", "test"), ("b", "train")]
    shutil.rmtree(tmp_path / "val")
    assert labels(tmp_path) == [("a", None), ("b", None)], "train/ alone says nothing of a test split"


def test_a_folder_between_each_class_and_its_pictures_is_passed_through(tmp_path: Path) -> None:
    """As in Tiny ImageNet, whose ``val`` and ``test`` have no folder for each class."""
    for name in ("n01", "n02"):
        class_folders(tmp_path / "train" / name, ["images"])
    class_folders(tmp_path / "val", ["images"])
    assert labels(tmp_path) == [("n01", None), ("n02", None)], "without a split that has classes, ours is drawn"
    assert layout(tmp_path).notes == ("val/ has no folder for each class: not used",)
    class_folders(tmp_path / "test" / "n01", ["images"])
    assert labels(tmp_path) == [("n01", "test"), ("n01", "train"), ("n02", "train")]


def test_a_split_without_classes_beside_one_with_them_is_not_used(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", ["a", "b"])
    class_folders(tmp_path / "val", ["a", "b"])
    save(tmp_path / "test" / "1.png")
    assert labels(tmp_path) == [("a", "test"), ("a", "train"), ("b", "test"), ("b", "train")]
    assert layout(tmp_path).total == 24
    assert "test/ has no folder for each class: not used" in layout(tmp_path).notes


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    for name in ("one.png", "two.JPG", "three.WebP"):
        save(tmp_path / name)
    found = layout(tmp_path)
    assert (found.class_names, found.total) == ((), 3)
    assert all(picture.label is None for picture in found.pictures())


def test_litter_is_passed_over_without_a_word_and_the_rest_is_told(tmp_path: Path) -> None:
    class_folders(tmp_path, ["a", "b"])
    before = Source(tmp_path, 10**9).digest()
    for name in (".DS_Store", "a/.DS_Store", "__MACOSX/a/._000.png", "b/Thumbs.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert layout(tmp_path).rest is None
    for name in ("notes.txt", "a/notes.txt", "docs/page.html", "docs/other.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert layout(tmp_path).rest == "docs/ (2 files), notes.txt (2 times)"
    save(tmp_path / "loose.png")
    save(tmp_path / "a" / "deeper" / "1.png")
    assert layout(tmp_path).rest == "a/deeper/ (1 file), docs/ (2 files), loose.png, notes.txt (2 times)"
    assert Source(tmp_path, 10**9).digest() == before, "what is not used is no part of the version"


def test_folders_one_level_too_deep_are_refused_with_the_place_that_may_be_meant(tmp_path: Path) -> None:
    class_folders(tmp_path / "images", ["cat", "dog"])
    with pytest.raises(BadInput, match=r"deeper than one folder a class, such as images/.*Perhaps: --from .*/images$"):
        layout(tmp_path)


def test_the_place_that_may_be_meant_is_where_most_pictures_lie(tmp_path: Path) -> None:
    """As in packages of icons: other pictures lie beside them, and a few at the top."""
    class_folders(tmp_path / "package" / "dist", ["png"], each=20)
    class_folders(tmp_path / "package" / "dist", ["sprite"], each=1)
    class_folders(tmp_path, ["guidelines"], each=2)
    with pytest.raises(BadInput, match=r"such as package/dist/png/.*Perhaps: --from .*/package/dist/png$"):
        layout(tmp_path)


def test_one_class_an_empty_folder_and_no_folder_are_refused(tmp_path: Path) -> None:
    class_folders(tmp_path / "one", ["cat"])
    with pytest.raises(BadInput, match=r"one class only \('cat'\).*--from .*one/cat"):
        layout(tmp_path / "one")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"empty holds no pictures\. Wanted: .* There is: nothing\."):
        layout(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("x")
    with pytest.raises(BadInput, match=r"There is: 1 file named \*\.txt\."):
        layout(tmp_path / "empty")
    with pytest.raises(BadInput, match="nowhere is not there"):
        layout(tmp_path / "nowhere")
    with pytest.raises(BadInput, match=r"notes\.txt is not a folder, nor an archive"):
        layout(tmp_path / "empty" / "notes.txt")


def test_pictures_that_no_ending_tells_are_counted_by_what_they_are_called(tmp_path: Path) -> None:
    """As scanners write DICOM: without an ending."""
    for place in range(3):
        (tmp_path / "scans" / f"IM{place}").parent.mkdir(exist_ok=True)
        (tmp_path / "scans" / f"IM{place}").write_bytes(bytes(128) + b"DICM")
    with pytest.raises(BadInput, match=r"There is: 3 files without an ending such as \.png"):
        layout(tmp_path / "scans")


@pytest.mark.parametrize("names", [("training_set", "test_set"), ("TrainData", "test-images")])
def test_split_folders_may_be_called_sets(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        class_folders(tmp_path / name, ["x", "y"], each=2)
    assert sorted({str(split) for _, split in labels(tmp_path)}) == ["test", "train"]


def test_a_link_to_a_folder_that_it_lies_in_is_not_followed(tmp_path: Path) -> None:
    class_folders(tmp_path, ["x", "y"], each=2)
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "z").symlink_to(tmp_path / "x")
    found = layout(tmp_path)
    assert (found.class_names, found.total, found.rest) == (("x", "y", "z"), 6, None)


def test_a_folder_that_may_not_be_read_is_refused_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal of the system is played."""
    class_folders(tmp_path, ["x", "y"], each=2)
    listing = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder.name == "y":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return listing(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(BadInput, match="y cannot be read: Permission denied"):
        Source(tmp_path, 1000)


def test_a_picture_that_may_not_be_read_has_a_place_in_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(class_folders(tmp_path, ["x", "y"], each=2), 1000)
    before, reading = source.digest(), files.sha256_file

    def refuse(path: Path) -> str:
        if path.parent.name == "y":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return reading(path)

    monkeypatch.setattr(files, "sha256_file", refuse)
    assert source.digest() != before
    assert source.digest() == source.digest()


def test_one_picture_is_no_data_set(tmp_path: Path) -> None:
    save(tmp_path / "own" / "1.png")
    with pytest.raises(BadInput, match="1 picture is too few"):
        imported(tmp_path / "own", tmp_path / "raw")


def test_a_thousand_classes_are_taken_and_one_more_is_not(tmp_path: Path) -> None:
    path = save(tmp_path / "picture.png")
    for number in range(1001):
        (tmp_path / "own" / f"class {number}").mkdir(parents=True)
        (tmp_path / "own" / f"class {number}" / "1.png").hardlink_to(path)
    with pytest.raises(BadInput, match="1,001 classes; at most 1,000"):
        layout(tmp_path / "own")
    shutil.rmtree(tmp_path / "own" / "class 7")
    assert len(layout(tmp_path / "own").class_names) == 1000


def test_the_digest_knows_content_and_names_but_not_the_place(tmp_path: Path) -> None:
    one, two = (class_folders(tmp_path / name, ["a", "b"]) for name in ("one", "two"))
    assert Source(one, 1).digest() == Source(two, 1).digest()
    (two / "a" / "000.png").rename(two / "a" / "other.png")
    renamed = Source(two, 1).digest()
    class_folders(tmp_path / "three", ["a", "b"], size=(31, 32))
    assert len({Source(one, 1).digest(), renamed, Source(tmp_path / "three", 1).digest()}) == 3


def test_the_digest_of_digit_folders_is_the_one_that_earlier_versions_recorded(tmp_path: Path) -> None:
    for name in ("train/0/b.png", "train/1/a.png", "test/0/a.png", "test/1/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert Source(tmp_path, 1).digest() == DIGEST


DIGEST = "f661103b4b006618716eda512e721353fbda4fa9b72495375d07ec113921c115"
