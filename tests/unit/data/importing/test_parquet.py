"""Parquet files as Hugging Face writes them, and plainer ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganlib.core.errors import BadInput
from tests.unit.data.builders import imported
from tests.unit.data.importing.pictures import encoded, layout, noise

NAMES = ["shirt", "ankle boot", "bag"]


def rows(count: int, struct: bool = True, seed: int = 0) -> list[Any]:
    blobs = [encoded(noise(seed=seed + place), "PNG" if place % 2 else "JPEG") for place in range(count)]
    return [{"bytes": blob, "path": None} for blob in blobs] if struct else blobs


def hugging_face(path: Path, count: int = 12, seed: int = 0, label: str = "label") -> Path:
    """A file with the schema's metadata that the library datasets writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": rows(count, seed=seed), label: [place % 3 for place in range(count)]})
    features = {"image": {"_type": "Image"}, label: {"names": NAMES, "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=5)
    return path


def test_the_class_names_of_the_schema_are_the_labels(tmp_path: Path) -> None:
    report = imported(hugging_face(tmp_path / "own.parquet"), tmp_path / "raw")
    assert report.spec.class_names == tuple(NAMES)
    assert report.classes == dict.fromkeys(NAMES, 4)
    assert report.layout == "1 Parquet file with labels"


def test_a_column_of_any_name_is_the_labels_where_the_schema_says_so_and_what_is_not_used_is_told(
    tmp_path: Path,
) -> None:
    path = hugging_face(tmp_path / "own.parquet", label="fine_digit")
    assert imported(path, tmp_path / "raw").classes == dict.fromkeys(NAMES, 4)
    table = pq.read_table(path)
    pq.write_table(table.append_column("url", [["x"] * 12]).replace_schema_metadata(None), path)
    found = layout(path)
    assert (found.class_names, found.rest) == ((), "column fine_digit, column url")


def test_a_folder_of_shards_has_the_splits_of_their_names(tmp_path: Path) -> None:
    for number in range(2):
        hugging_face(tmp_path / "data" / f"train-0000{number}-of-00002.parquet", seed=number * 100)
    hugging_face(tmp_path / "data" / "test-00000-of-00001.parquet", 6, seed=500)
    assert imported(tmp_path, tmp_path / "raw").given == {"train": 24, "test": 6}


def test_validation_is_the_test_split_where_there_is_no_other(tmp_path: Path) -> None:
    hugging_face(tmp_path / "train.parquet")
    hugging_face(tmp_path / "validation.parquet", 6, seed=500)
    assert [picture.split for picture in layout(tmp_path).pictures()].count("test") == 6


def test_plain_bytes_with_words_for_labels_and_captions(tmp_path: Path) -> None:
    table = pa.table({"photo": rows(12, struct=False), "class": list("ab" * 6), "text": [["First", "second"]] * 12})
    pq.write_table(table, tmp_path / "own.parquet")
    report = imported(tmp_path / "own.parquet", tmp_path / "raw")
    assert (report.spec.class_names, report.spec.captions) == (("a", "b"), "table")
    assert {picture.caption for picture in layout(tmp_path / "own.parquet").pictures()} == {"First"}


def test_pictures_without_labels(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": rows(12)}), tmp_path / "own.parquet")
    assert imported(tmp_path / "own.parquet", tmp_path / "raw").spec.class_names == ()


def test_an_empty_cell_is_set_aside(tmp_path: Path) -> None:
    cells = rows(200)
    cells[3] = None
    pq.write_table(pa.table({"image": cells}), tmp_path / "own.parquet")
    report = imported(tmp_path / "own.parquet", tmp_path / "raw")
    assert report.images == 199
    assert report.first_set_aside[0].name == "own.parquet row 4"


def test_what_is_no_parquet_of_pictures_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": [1, 2], "text": ["a", "b"]}), tmp_path / "own.parquet")
    with pytest.raises(BadInput, match=r"has no column of pictures .* There is: label \(int64\), text \(string\)"):
        layout(tmp_path / "own.parquet")
    (tmp_path / "own.parquet").write_bytes(b"PAR1 and not much else")
    with pytest.raises(BadInput, match=r"own\.parquet is not a Parquet file"):
        layout(tmp_path / "own.parquet")


def test_a_label_outside_the_declared_ones_and_shards_that_differ_are_refused(tmp_path: Path) -> None:
    whole = hugging_face(tmp_path / "a.parquet")
    table = pq.read_table(whole)
    changed = table.set_column(1, "label", pa.array([7] * 12)).replace_schema_metadata(table.schema.metadata)
    pq.write_table(changed, tmp_path / "b.parquet")
    with pytest.raises(BadInput, match=r"b\.parquet row 1: label 7 is not one of the 3"):
        list(layout(tmp_path / "b.parquet").pictures())
    pq.write_table(table.drop_columns(["label"]), tmp_path / "b.parquet")
    with pytest.raises(BadInput, match=r"b\.parquet lacks the column 'label' that a\.parquet has"):
        layout(tmp_path)
