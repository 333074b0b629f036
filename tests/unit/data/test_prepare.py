"""Prepared splits are complete, disjoint, deterministic and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_bytes, sha256_file
from ganlib.data.mnist import files as mnist
from ganlib.data.prepare import prepare
from ganlib.data.raw import read_raw
from ganlib.data.splits import SPLITS, Split, load_split
from ganlib.data.versioning.record import Summary
from tests.unit.data.builders import digits, files_of, flip, idx_files, raw_of, write_files

OWN = DataConfig(source="own")


def rows(images: np.ndarray) -> set[bytes]:
    """Images as a set."""
    return {image.tobytes() for image in images}


def split(folder: Path, files: dict[str, bytes], config: DataConfig = OWN) -> dict[str, Split]:
    """The three splits of IDX files."""
    prepare(raw_of(folder, files), folder / "out", config)
    return {name: load_split(folder / "out", name) for name in SPLITS}


@pytest.mark.parametrize("test", [100, None])
def test_splits_are_disjoint_and_complete(tmp_path: Path, test: int | None) -> None:
    splits = split(tmp_path, idx_files(240, test))
    parts = [rows(splits[name].images) for name in SPLITS]
    everything = rows(digits(240).images) | (rows(digits(100, 1).images) if test else set())
    assert sum(map(len, parts)) == len(everything)
    assert set.union(*parts) == everything


def test_images_keep_their_labels(tmp_path: Path) -> None:
    source = digits(240)
    label_of = {image.tobytes(): label for image, label in zip(source.images, source.labels, strict=True)}
    for part in split(tmp_path, idx_files(240, None)).values():
        assert [label_of[image.tobytes()] for image in part.images] == part.labels.tolist()


def test_without_a_test_split_one_in_so_many_becomes_test(tmp_path: Path) -> None:
    splits = split(tmp_path, idx_files(420, None))
    assert [len(splits[name].labels) for name in SPLITS] == [330, 30, 60]


def test_what_is_written_is_what_the_summary_says(tmp_path: Path) -> None:
    raw = raw_of(tmp_path, idx_files())
    summary = prepare(raw, tmp_path / "out", OWN)
    assert Summary.model_validate_json((tmp_path / "out" / "summary.json").read_bytes()) == summary
    assert summary.files == {path.name: sha256_file(path) for path in (tmp_path / "out").glob("*.npy")}
    assert summary.raw == {path.name: sha256_file(path) for path in raw.iterdir()}
    assert summary.spec.name == "own"
    assert summary.spec.class_names == tuple("0123456789")
    for name in SPLITS:
        part = load_split(tmp_path / "out", name)
        assert summary.counts[name] == len(part.labels)
        assert list(summary.classes[name]) == np.bincount(part.labels).tolist()
        assert summary.pixels[name].mean == pytest.approx(part.images.mean(), abs=1e-6)
        assert summary.pixels[name].std == pytest.approx(part.images.std(), abs=1e-6)


def test_preparing_twice_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    raw = raw_of(tmp_path, idx_files())
    prepare(raw, tmp_path / "one", OWN)
    write_files(tmp_path / "two", {"left over.npy": b"old"})
    prepare(raw, tmp_path / "two", OWN)
    one, two = ({path.name: sha256_file(path) for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert len(one) == 7


def test_a_damaged_raw_file_is_refused_by_name(tmp_path: Path) -> None:
    raw = raw_of(tmp_path, idx_files())
    flip(raw / "images.npy")
    with pytest.raises(Corrupt, match=r"raw/images\.npy is damaged"):
        prepare(raw, tmp_path / "out", OWN)
    (raw / "images.npy").unlink()
    with pytest.raises(BadInput, match=r"raw/images\.npy is missing"):
        prepare(raw, tmp_path / "out", OWN)
    (raw / "import.json").unlink()
    with pytest.raises(BadInput, match=r"import\.json cannot be read"):
        prepare(raw, tmp_path / "out", OWN)
    assert not (tmp_path / "out").exists()


def test_a_missing_file_of_mnist_is_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    del files[mnist.TRAIN_LABELS]
    with pytest.raises(BadInput, match="train-labels-idx1-ubyte: No such file"):
        read_raw(write_files(tmp_path, files), DataConfig())


def test_other_bytes_than_mnist_are_refused_where_mnist_is_asked_for(tmp_path: Path) -> None:
    files = idx_files()
    with pytest.raises(Corrupt) as caught:
        read_raw(write_files(tmp_path, files), DataConfig())
    assert caught.value.expected == mnist.SHA256[mnist.TRAIN_IMAGES]
    assert caught.value.actual == sha256_bytes(files[mnist.TRAIN_IMAGES])


def test_mnist_is_checked_for_ten_digits_in_fair_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = digits(240)
    files = files_of(Split(few.images, np.where(few.labels == 7, 1, few.labels)), digits(100, 1))
    monkeypatch.setattr(mnist, "SHA256", {name: sha256_bytes(data) for name, data in files.items()})
    with pytest.raises(BadInput, match="no image of class '7'"):
        prepare(write_files(tmp_path / "raw", files), tmp_path / "out", DataConfig())


def test_the_seed_changes_who_is_drawn_but_not_how_many(tmp_path: Path) -> None:
    raw = raw_of(tmp_path, idx_files())
    drawn = []
    for seed in (0, 1):
        prepare(raw, tmp_path / "out", DataConfig(source="own", seed=seed))
        drawn.append(load_split(tmp_path / "out", "validation"))
    one, two = drawn
    assert len(one.labels) == len(two.labels)
    assert rows(one.images) != rows(two.images)
