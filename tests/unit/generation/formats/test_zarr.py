"""Shards as Zarr groups."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ganlib.generation.batch.batch import verify
from tests.unit.generation.formats.suite import SEED, FormatSuite, Models, Read, make, read_arrays


class TestZarr(FormatSuite):
    form, suffix = "zarr", ".zarr"

    def read(self, shard: Path) -> Read:
        """By the specification; another test has the library itself read it, where it is installed."""
        about = json.loads((shard / "zarr.json").read_text())
        assert about["node_type"] == "group"
        arrays = {}
        for path in sorted(shard.glob("*/zarr.json")):
            facts = json.loads(path.read_text())
            chunk = path.parent.joinpath("c", *["0"] * len(facts["shape"]))
            arrays[path.parent.name] = np.frombuffer(chunk.read_bytes(), facts["data_type"]).reshape(facts["shape"])
        if "caption" in arrays:
            arrays["caption"] = arrays["caption"].view("S64")[:, 0]
        read = read_arrays(arrays, arrays)
        read.class_names = tuple(json.loads(about["attributes"].get("ganlib:class_names", "[]")))
        return read

    def victim(self, shard: Path) -> Path:
        return shard / "image/c/0/0/0/0"


def test_the_zarr_library_reads_what_we_write_by_its_specification(models: Models, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="no zarr: make install")
    make(models.captioned, tmp_path / "out", "zarr")
    group = zarr.open_group(tmp_path / "out" / "shard-00001.zarr", mode="r")
    assert sorted(group.array_keys()) == ["caption", "image", "index", "seed"]
    np.testing.assert_array_equal(group["image"][:], models.captioned.images(SEED, 60, 60))
    assert group["caption"].shape == (60, 64)
    assert group.attrs["ganlib:model_sha256"] == models.captioned.sha256


def test_a_stranger_inside_a_shard_is_extra(models: Models, tmp_path: Path) -> None:
    make(models.plain, tmp_path / "out", "zarr")
    (tmp_path / "out/shard-00000.zarr/image/c/0/mine").mkdir()
    (tmp_path / "out/shard-00000.zarr/image/c/0/mine/a.txt").write_text("x")
    assert verify(tmp_path / "out").extra == ("shard-00000.zarr/image/c/0/mine/",)
