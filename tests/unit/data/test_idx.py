"""The IDX parser takes what the writer makes and refuses everything else, with the offset."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ganlib.core.errors import BadInput
from ganlib.data import idx
from ganlib.data.mnist import files as mnist

LABELS = arrays.arrays(np.uint8, st.integers(1, 20), elements=st.integers(0, 9))
IMAGES = arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(28), st.just(28)))


def images_of(data: bytes, name: str) -> np.ndarray:
    return mnist.images(data, name)


def labels_of(data: bytes, name: str) -> np.ndarray:
    return mnist.labels(data, name)


def refusal(data: bytes, parse: Callable[[bytes, str], np.ndarray] = labels_of) -> tuple[int, str]:
    """The offset and the words of the refusal of ``data``."""
    with pytest.raises(BadInput) as caught:
        parse(data, "some-file")
    match = re.fullmatch(r"some-file: byte ([\d,]+): (.+)", str(caught.value))
    assert match, str(caught.value)
    return int(match[1].replace(",", "")), match[2]


@given(IMAGES)
def test_images_survive_the_round_trip(images: np.ndarray) -> None:
    np.testing.assert_array_equal(images_of(idx.encode(images), "x"), images)


@given(LABELS)
def test_labels_survive_the_round_trip(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(labels_of(idx.encode(labels), "x"), labels)


@given(IMAGES, st.data())
def test_every_truncation_is_refused_at_the_byte_where_the_file_ends(images: np.ndarray, data: st.DataObject) -> None:
    whole = idx.encode(images)
    length = data.draw(st.integers(0, len(whole) - 1))
    offset, words = refusal(whole[:length], images_of)
    assert offset == length
    assert "truncated" in words or "header" in words


@given(LABELS, st.binary(min_size=1, max_size=50))
def test_trailing_bytes_are_refused_at_the_first_of_them(labels: np.ndarray, extra: bytes) -> None:
    whole = idx.encode(labels)
    offset, words = refusal(whole + extra)
    assert offset == len(whole)
    assert f"{len(extra)} bytes follow" in words


@given(LABELS, st.integers(0, 3), st.integers(1, 255))
def test_every_change_of_the_magic_is_refused_at_its_byte(labels: np.ndarray, place: int, change: int) -> None:
    broken = bytearray(idx.encode(labels))
    broken[place] ^= change
    offset, _ = refusal(bytes(broken))
    assert offset == place


@given(IMAGES, st.integers(4, 15), st.integers(1, 255))
def test_every_change_of_a_size_is_refused(images: np.ndarray, place: int, change: int) -> None:
    broken = bytearray(idx.encode(images))
    broken[place] ^= change
    offset, _ = refusal(bytes(broken), images_of)
    # A wrong height or width is named where it stands; a wrong count shows where the file ends too early or too late.
    assert offset == place // 4 * 4 or place < 8


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_parsed_or_refused_but_never_crash(data: bytes) -> None:
    try:
        labels = labels_of(data, "x")
    except BadInput:
        return
    assert idx.encode(labels) == data


def test_an_empty_file_and_a_file_without_items_are_refused() -> None:
    assert refusal(b"")[0] == 0
    assert refusal(idx.encode(np.zeros(0, np.uint8))) == (4, "the file holds no items.")


def test_a_label_above_nine_is_refused_at_its_byte() -> None:
    assert refusal(idx.encode(np.array([1, 9, 10], np.uint8))) == (10, "label 10 is not a digit.")


def test_a_count_of_four_billion_images_is_refused_without_allocating_them() -> None:
    header = bytes([0, 0, 8, 3]) + (2**32 - 1).to_bytes(4, "big") + (28).to_bytes(4, "big") * 2
    assert refusal(header, images_of)[0] == len(header)


def test_gzip_is_read_and_its_damage_is_refused_with_the_offset() -> None:
    plain = idx.encode(np.arange(10, dtype=np.uint8))
    packed = gzip.compress(plain)
    assert idx.gunzip(packed, "x") == plain
    with pytest.raises(BadInput, match=rf"x: byte {len(packed) - 3}: the gzip stream is truncated"):
        idx.gunzip(packed[:-3], "x")
    with pytest.raises(BadInput, match=rf"x: byte {len(packed)}: bytes follow"):
        idx.gunzip(packed + b"junk", "x")
    flipped = bytearray(packed)
    flipped[-6] ^= 1  # in the checksum
    with pytest.raises(BadInput, match="x: damaged gzip stream"):
        idx.gunzip(bytes(flipped), "x")


def test_a_gzip_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "LARGEST", 1000)
    with pytest.raises(BadInput, match="more than 1,000 bytes when decompressed"):
        idx.gunzip(gzip.compress(bytes(100_000)), "x")


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40))))
def test_images_of_any_size_are_parsed_where_no_size_is_asked_for(images: np.ndarray) -> None:
    np.testing.assert_array_equal(idx.parse(idx.encode(images), "x", idx.IMAGE), images)


def test_images_without_a_pixel_are_refused() -> None:
    with pytest.raises(BadInput, match="byte 12: size of dimension 2 is 0, expected more"):
        idx.parse(idx.encode(np.zeros((3, 5, 0), np.uint8)), "x", idx.IMAGE)
