"""Which images are read back; what is read is for each format to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganlib.generation.batch import read_back
from ganlib.generation.batch.batch import Manifest, generate
from ganlib.generation.session import OnnxModel


def make(model: OnnxModel, out: Path, **changes: Any) -> Manifest:
    """150 images of seed 3 in shards of 60, unless ``changes`` say otherwise."""
    return generate(model, out=out, **{"count": 150, "seed": 3, "shard_size": 60, **changes})


def test_a_sample_of_few_shards_is_spread_over_all_that_it_needs(model: OnnxModel, tmp_path: Path) -> None:
    made = make(model, tmp_path / "out", count=200, shard_size=10, file_format="npy")
    assert sum(len(rows) for rows in read_back.choose(made, 150).values()) == 150
    assert len(read_back.choose(made, 20)) == 8
    assert sum(len(rows) for rows in read_back.choose(made, 10**6).values()) == 200
