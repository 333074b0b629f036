"""IDX files of any size and number of classes."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from ganlib.core.errors import BadInput
from ganlib.data import idx
from ganlib.data.mnist import files as mnist
from tests.unit.data.builders import digits, idx_files, imported, write_files
from tests.unit.data.importing.pictures import layout


@pytest.mark.parametrize("test", [100, None])
@pytest.mark.parametrize("packed", [True, False])
def test_mnists_names_are_taken_pixel_by_pixel_with_gzip_or_without(
    tmp_path: Path, test: int | None, packed: bool
) -> None:
    files = idx_files(test=test)
    if packed:
        files = {f"{name}.gz": gzip.compress(data) for name, data in files.items()}
    report = imported(write_files(tmp_path / "own", files), tmp_path / "raw")
    images = np.load(tmp_path / "raw" / "images.npy")
    np.testing.assert_array_equal(images[:240], digits(240).images)
    np.testing.assert_array_equal(np.load(tmp_path / "raw" / "labels.npy")[:240], digits(240).labels)
    assert report.given == ({"train": 240, "test": 100} if test else {})
    assert report.spec.class_names == tuple("0123456789")
    assert report.rules.size == 28


def test_other_sizes_names_and_labels(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (26, 40, 40), dtype=np.uint8)
    files = {
        "emnist-letters-train-images-idx3-ubyte": idx.encode(images),
        "emnist-letters-train-labels-idx1-ubyte": idx.encode(np.arange(1, 27, dtype=np.uint8)),
        "mapping.txt": b"1 65",
    }
    found = layout(write_files(tmp_path / "own", files))
    assert found.class_names[:2] == ("1", "2")
    assert len(found.class_names) == 26
    assert found.rest == "mapping.txt"
    assert imported(tmp_path / "own", tmp_path / "raw").spec.image.dims == (1, 32, 32)


def test_half_a_pair_and_a_pair_for_testing_alone_are_refused(tmp_path: Path) -> None:
    files = idx_files()
    labels = files.pop(mnist.TEST_LABELS)
    with pytest.raises(BadInput, match="lacks the labels of t10k-images-idx3-ubyte"):
        layout(write_files(tmp_path / "half", files))
    files = {mnist.TEST_IMAGES: files[mnist.TEST_IMAGES], mnist.TEST_LABELS: labels}
    with pytest.raises(BadInput, match="one pair for training is needed"):
        layout(write_files(tmp_path / "test", files))


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    files = idx_files()
    files[f"{mnist.TRAIN_LABELS}.gz"] = gzip.compress(files[mnist.TRAIN_LABELS])
    with pytest.raises(BadInput, match=r"holds both train-labels-idx1-ubyte and train-labels-idx1-ubyte\.gz"):
        layout(write_files(tmp_path, files))


def test_damage_is_named_with_the_offset_and_unequal_numbers_are_refused(tmp_path: Path) -> None:
    files = idx_files()
    with pytest.raises(BadInput, match="t10k-labels-idx1-ubyte: byte 108: 1 bytes follow"):
        layout(write_files(tmp_path, {**files, mnist.TEST_LABELS: files[mnist.TEST_LABELS] + b"!"}))
    labels = idx.encode(digits(239).labels.astype(np.uint8))
    with pytest.raises(BadInput, match="holds 240 images, train-labels-idx1-ubyte 239 labels"):
        layout(write_files(tmp_path, {**files, mnist.TRAIN_LABELS: labels}))
