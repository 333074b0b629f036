"""Shards as Parquet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tests.unit.generation.formats.suite import FormatSuite, Models, Read, make


class TestParquet(FormatSuite):
    form, suffix = "parquet", ".parquet"

    def read(self, shard: Path) -> Read:
        table = pq.read_table(shard)
        about = {name.decode(): text.decode() for name, text in table.schema.metadata.items()}
        assert about["ganlib:synthetic"] == "trainedAlgorithmicMedia"
        shape = json.loads(about["ganlib:image"].removeprefix("uint8 "))
        rows = table.to_pydict()
        pixels = np.frombuffer(b"".join(rows["image"]), np.uint8).reshape(-1, *shape)
        names = tuple(json.loads(about.get("ganlib:class_names", "[]")))
        return Read(pixels, rows["index"], rows["seed"], rows.get("label"), rows.get("caption"), names)


def test_a_group_of_rows_holds_no_more_than_some_megabytes_of_pixels(models: Models, tmp_path: Path) -> None:
    make(models.plain, tmp_path / "out", "parquet", count=9000, shard_size=9000)
    about = pq.ParquetFile(tmp_path / "out" / "shard-00000.parquet").metadata
    groups = [about.row_group(number).num_rows for number in range(about.num_row_groups)]
    assert sum(groups) == 9000
    assert len(groups) > 1
    assert max(groups) * models.plain.spec.image.nbytes <= 6_600_000
    assert min(groups[:-1]) * models.plain.spec.image.nbytes >= 6_300_000
