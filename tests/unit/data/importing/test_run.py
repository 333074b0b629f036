"""What a whole source becomes: size, channels, what is set aside, what is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib.core.errors import BadInput
from ganlib.data.importing.names import own_name
from ganlib.data.raw import read_report
from tests.unit.data.builders import imported
from tests.unit.data.importing.pictures import class_folders, noise, save


def flat(folder: Path, count: int = 20, **options: object) -> Path:
    """``count`` pictures in one folder."""
    for place in range(count):
        save(folder / f"{place:03d}.png", noise(seed=place, **options))  # type: ignore[arg-type]
    return folder


def test_images_labels_and_report_fit_together(tmp_path: Path) -> None:
    report = imported(class_folders(tmp_path / "own", ["cat", "dog"]), tmp_path / "raw")
    images, labels = (np.load(tmp_path / "raw" / name) for name in ("images.npy", "labels.npy"))
    assert (images.shape, images.dtype, labels.dtype) == ((12, 3, 32, 32), np.uint8, np.int64)
    assert labels.tolist() == [0] * 6 + [1] * 6
    np.testing.assert_array_equal(images[7], np.asarray(noise(seed=1001)).transpose(2, 0, 1))
    assert report.classes == {"cat": 6, "dog": 6}
    assert report.modes == {"RGB": 12}
    assert report == read_report(tmp_path / "raw")
    assert not any(str(tmp_path) in path.read_text() for path in (tmp_path / "raw").glob("*.json"))


@pytest.mark.parametrize(
    ("sizes", "side"),
    [
        ([(28, 28)], 28),
        ([(40, 300)], 32),
        ([(63, 63)], 32),
        ([(500, 400)], 128),
        ([(9, 9)], 16),
        ([(20, 99), (70, 70), (70, 80)], 64),
    ],
)
def test_the_size_is_the_one_nearest_below_the_median_of_the_smaller_sides(
    tmp_path: Path, sizes: list[tuple[int, int]], side: int
) -> None:
    for place in range(12):
        save(tmp_path / "own" / f"{place}.png", noise(sizes[place % len(sizes)], seed=place))
    assert imported(tmp_path / "own", tmp_path / "raw").rules.size == side


@pytest.mark.parametrize(
    ("size", "near"), [(48, "32 and 64"), (100, "64 and 128"), (24, "16 and 28"), (17, "16 and 28")]
)
def test_a_size_that_nets_cannot_draw_is_refused_with_the_nearest_two(tmp_path: Path, size: int, near: str) -> None:
    with pytest.raises(BadInput, match=f"images of {size}x{size} cannot be drawn; the nearest that can be are {near}"):
        imported(flat(tmp_path / "own"), tmp_path / "raw", size=size)


def test_channels_are_one_only_if_all_pictures_are_grey_whatever_their_mode(tmp_path: Path) -> None:
    grey = flat(tmp_path / "grey", mode="L")
    assert imported(grey, tmp_path / "a").spec.image.channels == 1
    for path in sorted(grey.iterdir())[:5]:
        Image.open(path).convert("RGB").save(path)
    mixed = imported(grey, tmp_path / "b")
    assert mixed.spec.image.channels == 1
    assert mixed.files["images.npy"] == read_report(tmp_path / "a").files["images.npy"]
    save(grey / "colour.png", noise())
    assert imported(grey, tmp_path / "c").spec.image.channels == 3
    assert imported(grey, tmp_path / "d", channels=1).spec.image.channels == 1
    shutil.rmtree(tmp_path / "a")
    assert imported(flat(tmp_path / "own", mode="L"), tmp_path / "a", channels=3).spec.image.channels == 3


def test_a_background_in_colour_makes_pictures_in_colour_where_it_is_seen(tmp_path: Path) -> None:
    own = flat(tmp_path / "own", mode="LA")
    assert imported(own, tmp_path / "a").spec.image.channels == 1
    assert imported(own, tmp_path / "b", background="#ff0000").spec.image.channels == 3
    assert imported(flat(tmp_path / "l", mode="L"), tmp_path / "c", background="#ff0000").spec.image.channels == 1


def test_sixteen_bits_are_scaled_by_what_the_data_set_uses_not_picture_by_picture(tmp_path: Path) -> None:
    for place in range(12):
        values = np.full((32, 32), place * 100 + 50, np.uint16)
        values[0, 0] = 0
        save(tmp_path / "own" / f"{place:02d}.png", Image.fromarray(values))
    report = imported(tmp_path / "own", tmp_path / "raw")
    images = np.load(tmp_path / "raw" / "images.npy")
    assert report.rules.white == 2047
    assert images[:, 0, 5, 5].tolist() == [round((place * 100 + 50) * 255 / 2047) for place in range(12)]
    assert any("their largest value is 1,150, so 2,047 became white" in note for note in report.notes)


def test_what_cannot_be_read_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    own = flat(tmp_path / "own", 300)
    (own / "007.png").write_bytes((own / "007.png").read_bytes()[:200])
    (own / "photo.heic").write_bytes(b"ftypheic")
    report = imported(own, tmp_path / "raw")
    assert (report.images, report.set_aside) == (299, 2)
    assert [aside.name for aside in report.first_set_aside] == ["007.png", "photo.heic"]
    assert report.first_set_aside[0].reason.startswith("damaged: ")
    assert report.first_set_aside[1].reason == ".heic files are not read: save it as PNG or JPEG"
    assert len(np.load(tmp_path / "raw" / "images.npy")) == 299


def test_more_unreadable_pictures_than_are_allowed_are_refused_with_the_first_reasons(tmp_path: Path) -> None:
    own = flat(tmp_path / "own", 100)
    for place in (3, 4, 5, 6):
        (own / f"{place:03d}.png").write_bytes(b"x")
    with pytest.raises(BadInput, match=r"4 of 100 pictures \(4\.0%\) cannot be read.*\(1%\): 003\.png: not a .*; 005"):
        imported(own, tmp_path / "raw")
    assert imported(own, tmp_path / "raw", max_unreadable=0.05).images == 96
    for path in own.iterdir():
        path.write_bytes(b"x")
    with pytest.raises(BadInput, match="100 of 100 pictures"):
        imported(own, tmp_path / "other", max_unreadable=1.0)


def test_a_class_that_loses_all_of_its_pictures_is_refused(tmp_path: Path) -> None:
    own = class_folders(tmp_path / "own", ["a", "b"], each=12)
    save(own / "c" / "1.png").write_bytes(b"x")
    with pytest.raises(BadInput, match="class 'c' has no picture that can be read"):
        imported(own, tmp_path / "raw", max_unreadable=0.1)


def test_pictures_of_two_sizes_are_refused_with_fit_none(tmp_path: Path) -> None:
    own = flat(tmp_path / "own")
    assert imported(own, tmp_path / "a", fit="none").rules.size == 32
    save(own / "odd.png", noise((64, 64)))
    with pytest.raises(BadInput, match=r"of 2 sizes: 32x32 \(20, such as 000\.png\), 64x64 \(1, such as odd\.png\)"):
        imported(own, tmp_path / "b", fit="none")
    with pytest.raises(BadInput, match=r"pictures are 32x16: not square"):
        imported(flat(tmp_path / "flat", size=(32, 16)), tmp_path / "c", fit="none")
    with pytest.raises(BadInput, match=r"images of 48x48 cannot be drawn"):
        imported(flat(tmp_path / "48", size=(48, 48)), tmp_path / "d", fit="none")
    with pytest.raises(BadInput, match=r"data\.size is 64, but with data\.fit: none"):
        imported(flat(tmp_path / "32"), tmp_path / "e", fit="none", size=64)


def test_small_and_plain_pictures_and_small_sets_are_told(tmp_path: Path) -> None:
    own = flat(tmp_path / "own")
    save(own / "tiny.png", noise((10, 40)))
    save(own / "blank.png", Image.new("RGB", (32, 32), "red"))
    notes = imported(own, tmp_path / "raw").notes
    assert "1 pictures have a side shorter than half of the 32 pixels asked for: enlarged" in notes
    assert "1 pictures are of one colour only, such as blank.png" in notes
    assert "22 images are few: a generator learns from 200 at least" in notes


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    own = class_folders(tmp_path / "own", ["cat", "dog"])
    one, two = imported(own, tmp_path / "one"), imported(own, tmp_path / "two")
    assert one == two


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/home/me/My Photos (2024)", "my-photos-2024"),
        ("icons.tar.gz", "icons"),
        ("icons.tar.xz", "icons"),
        ("../Čaj.zip", "caj"),
        ("茶", "images"),
        ("data/train.parquet", "train"),
        ("mnist", "mnist-own"),
        ("x" * 80, "x" * 48),
    ],
)
def test_a_data_set_is_called_as_its_place(source: str, name: str) -> None:
    assert own_name(source) == name
