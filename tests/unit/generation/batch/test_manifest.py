"""How images are cut into shards, and what a damaged manifest does."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganlib.core.errors import BadInput
from ganlib.generation import formats
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import stretches
from ganlib.generation.spec import BatchSpec, file_name


def job(**changes: object) -> BatchSpec:
    """A job of ten images in shards of four."""
    usual = {
        "model_sha256": "a" * 64,
        "seed": 0,
        "count": 10,
        "shard_size": 4,
        "block": 64,
        "noise": "n",
        "provider": "p",
    }
    return BatchSpec.model_validate({**usual, **changes})


@given(count=st.integers(1, 5000), shard_size=st.integers(1, 6000))
def test_shards_hold_every_image_once_in_order_and_none_is_empty(count: int, shard_size: int) -> None:
    made = job(count=count, shard_size=shard_size)
    pieces = [made.images(shard) for shard in range(made.shard_count)]
    assert [index for piece in pieces for index in piece] == list(range(count))
    assert all(0 < len(piece) <= shard_size for piece in pieces)
    assert all(len(piece) == shard_size for piece in pieces[:-1])


@given(count=st.integers(10**17, 10**19), shard_size=st.integers(1, 10**6))
def test_huge_counts_are_cut_exactly_too(count: int, shard_size: int) -> None:
    made = job(count=count, shard_size=shard_size)
    last = made.images(made.shard_count - 1)
    assert last.stop == count
    assert 0 < last.stop - last.start <= shard_size


@given(st.sets(st.integers(0, 60)))
def test_runs_are_the_longest_stretches_of_neighbours(numbers: set[int]) -> None:
    runs = list(stretches(sorted(numbers)))
    assert [n for first, last in runs for n in range(first, last + 1)] == sorted(numbers)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(runs))


def test_names_sort_as_their_numbers_do() -> None:
    assert [formats.load("png").shard_name(0), formats.load("zarr").shard_name(123), file_name(7)] == [
        "shard-00000",
        "shard-00123.zarr",
        "00000007.png",
    ]


def test_differences_name_each_field_with_both_values() -> None:
    assert job().differences(job(seed=5, count=20)) == ["seed is 0, not 5", "count is 10, not 20"]
    assert job().differences(job()) == []


def test_no_manifest_is_none(tmp_path: Path) -> None:
    assert manifests.read(tmp_path) is None
    assert manifests.read(tmp_path / "absent") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seed": 1}', "\x00\x01"])
def test_a_damaged_manifest_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match="is damaged or not a manifest"):
        manifests.read(tmp_path)
