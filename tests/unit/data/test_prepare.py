"""Prepared splits are complete, disjoint, deterministic and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_bytes, sha256_file
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist import idx
from ganlib.data.prepare import prepare, read_raw, split
from ganlib.data.splits import SPLITS, load_split
from ganlib.data.versioning.record import Summary
from tests.unit.data.builders import digits, idx_files, write_files

OWN = DataConfig(source="own")


def rows(images: np.ndarray) -> set[bytes]:
    """Images as a set."""
    return {image.tobytes() for image in images}


@pytest.mark.parametrize("test", [100, None])
def test_splits_are_disjoint_and_complete(test: int | None) -> None:
    splits = split(idx_files(240, test), OWN)
    parts = [rows(splits[name].images) for name in SPLITS]
    everything = rows(digits(240).images) | (rows(digits(100, 1).images) if test else set())
    assert sum(map(len, parts)) == len(everything)
    assert set.union(*parts) == everything


def test_images_keep_their_labels() -> None:
    source = digits(240)
    label_of = {image.tobytes(): label for image, label in zip(*source, strict=True)}
    for part in split(idx_files(240, None), OWN).values():
        assert [label_of[image.tobytes()] for image in part.images] == part.labels.tolist()


def test_without_a_test_split_one_in_so_many_becomes_test() -> None:
    splits = split(idx_files(420, None), OWN)
    assert [len(splits[name].labels) for name in SPLITS] == [330, 30, 60]


def test_what_is_written_is_what_the_summary_says(tmp_path: Path) -> None:
    raw = write_files(tmp_path / "raw", idx_files())
    summary = prepare(raw, tmp_path / "out", OWN)
    assert Summary.model_validate_json((tmp_path / "out" / "summary.json").read_bytes()) == summary
    assert summary.files == {path.name: sha256_file(path) for path in (tmp_path / "out").glob("*.npy")}
    assert summary.raw == {path.name: sha256_file(path) for path in raw.iterdir()}
    for name in SPLITS:
        part = load_split(tmp_path / "out", name)
        assert summary.counts[name] == len(part.labels)
        assert list(summary.classes[name]) == np.bincount(part.labels).tolist()
        assert summary.pixels[name].mean == pytest.approx(part.images.mean(), abs=1e-6)
        assert summary.pixels[name].std == pytest.approx(part.images.std(), abs=1e-6)


def test_preparing_twice_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    raw = write_files(tmp_path / "raw", idx_files())
    prepare(raw, tmp_path / "one", OWN)
    write_files(tmp_path / "two", {"left over.npy": b"old"})
    prepare(raw, tmp_path / "two", OWN)
    one, two = ({path.name: sha256_file(path) for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert len(one) == 7


def test_a_truncated_raw_file_is_refused_by_name_and_offset(tmp_path: Path) -> None:
    files = idx_files()
    files[mnist.TRAIN_IMAGES] = files[mnist.TRAIN_IMAGES][:5000]
    raw = write_files(tmp_path / "raw", files)
    with pytest.raises(BadInput, match="train-images-idx3-ubyte: byte 5,000: the file is truncated"):
        prepare(raw, tmp_path / "out", OWN)
    assert not (tmp_path / "out").exists()


def test_a_missing_raw_file_is_named(tmp_path: Path) -> None:
    files = idx_files()
    del files[mnist.TRAIN_LABELS]
    with pytest.raises(BadInput, match="train-labels-idx1-ubyte: No such file"):
        read_raw(write_files(tmp_path, files), OWN)


def test_other_bytes_than_mnist_are_refused_where_mnist_is_asked_for(tmp_path: Path) -> None:
    files = idx_files()
    with pytest.raises(Corrupt) as caught:
        read_raw(write_files(tmp_path, files), DataConfig())
    assert caught.value.expected == mnist.SHA256[mnist.TRAIN_IMAGES]
    assert caught.value.actual == sha256_bytes(files[mnist.TRAIN_IMAGES])


def test_images_and_labels_of_unequal_number_are_refused() -> None:
    files = idx_files()
    files[mnist.TRAIN_LABELS] = idx.encode(digits(239).labels)
    with pytest.raises(BadInput, match="holds 240 images, train-labels-idx1-ubyte 239 labels"):
        split(files, OWN)


def test_the_seed_changes_who_is_drawn_but_not_how_many() -> None:
    one, two = (split(idx_files(), DataConfig(source="own", seed=seed))["validation"] for seed in (0, 1))
    assert len(one.labels) == len(two.labels)
    assert rows(one.images) != rows(two.images)
