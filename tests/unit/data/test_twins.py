"""Exact copies within a source are on one side of every split, are told, and change nothing where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput
from ganlib.data.prepare import prepare
from ganlib.data.splits import SPLITS, Split, SplitName, load_split
from ganlib.data.versioning.record import Twins
from tests.unit.data.builders import digits, files_of, idx_files, raw_of

OWN = DataConfig(source="own")


def joined(*parts: Split) -> Split:
    """Sets one after the other."""
    return Split(np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts]))


def shared(splits: dict[SplitName, Split]) -> int:
    """Images that are in more than one split."""
    sets = [{image.tobytes() for image in splits[name].images} for name in SPLITS]
    return sum(map(len, sets)) - len(set.union(*sets))


def told(folder: Path, files: dict[str, bytes]) -> Twins | None:
    return prepare(raw_of(folder, files), folder / "out", OWN).twins


def split(folder: Path, files: dict[str, bytes], seed: int = 0) -> dict[SplitName, Split]:
    """The three splits of IDX files."""
    prepare(raw_of(folder, files), folder / "out", DataConfig(source="own", seed=seed))
    return {name: load_split(folder / "out", name) for name in SPLITS}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(copies=st.integers(2, 4), seed=st.integers(0, 99), own_test=st.booleans())
def test_all_copies_of_an_image_are_in_one_split(tmp_path: Path, copies: int, seed: int, own_test: bool) -> None:
    whole = joined(*[digits(500, 7)] * copies)
    test = joined(digits(200, 8), Split(whole.images[:50], whole.labels[:50])) if own_test else None
    splits = split(tmp_path, files_of(whole, test), seed)
    assert shared(splits) == 0
    if not own_test:
        assert [len(splits[name].labels) for name in SPLITS] == [394 * copies, 35 * copies, 71 * copies]


def test_a_merged_export_whose_every_image_is_there_twice_is_split_in_the_asked_shares(tmp_path: Path) -> None:
    files = files_of(joined(digits(1000, 1), digits(1000, 1)))
    splits = split(tmp_path, files)
    assert shared(splits) == 0
    assert sum(len(part.labels) for part in splits.values()) == 2000, "nothing is thrown away"
    assert len(splits["test"].labels) == 2 * (1000 // OWN.test_one_in)
    assert told(tmp_path, files) == Twins(repeated=2000, left_out=0, labels_differ=0)


def test_a_test_split_of_the_sources_own_stays_and_what_it_holds_is_left_out_of_training(tmp_path: Path) -> None:
    train, test = digits(480, 1), digits(200, 2)
    both = Split(np.concatenate([train.images, test.images[:60]]), np.concatenate([train.labels, test.labels[:60]]))
    splits = split(tmp_path, files_of(both, test))
    np.testing.assert_array_equal(splits["test"].images, test.images)
    assert shared(splits) == 0
    assert len(splits["train"].labels) + len(splits["validation"].labels) == 480
    found = told(tmp_path, files_of(both, test))
    assert found == Twins(repeated=120, left_out=60, labels_differ=0)
    assert "60 of them were given for training and are in the test split" in str(found)


def test_the_same_images_as_train_and_test_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="all 480 training images are in the test split"):
        split(tmp_path, files_of(digits(480), digits(480)))


def test_a_refusal_says_that_training_images_were_left_out(tmp_path: Path) -> None:
    train, few = digits(480, 1), digits(10, 2)
    with pytest.raises(BadInput, match="480 training images were left out: the test split has the same"):
        split(tmp_path, files_of(joined(train, few), train))


def test_copies_under_different_labels_are_counted(tmp_path: Path) -> None:
    once = digits(500, 3)
    again = Split(once.images[:40], (once.labels[:40] + (np.arange(40) < 10)) % 10)
    found = told(tmp_path, files_of(joined(once, again)))
    assert found == Twins(repeated=80, left_out=0, labels_differ=20)
    assert "20 bear different labels" in str(found)


def test_without_copies_the_summary_says_nothing_of_them(tmp_path: Path) -> None:
    assert told(tmp_path, idx_files(420, None)) is None
    assert "twins" not in json.loads((tmp_path / "out" / "summary.json").read_text())


def test_mnist_has_no_copies_and_keeps_the_bytes_of_its_data_version(checkout: Path, tmp_path: Path) -> None:
    raw = checkout / "data" / "raw"
    if not raw.exists():
        pytest.skip("no data version: .venv/bin/ganlib data version")
    made = prepare(raw, tmp_path / "out", DataConfig())
    assert made.twins is None
    for path in (checkout / "data" / "prepared").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
