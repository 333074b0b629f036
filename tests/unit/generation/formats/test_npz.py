"""Shards as ``.npz``."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from tests.unit.generation.formats.suite import FormatSuite, Read, read_arrays


class TestNpz(FormatSuite):
    form, suffix = "npz", ".npz"

    def read(self, shard: Path) -> Read:
        with zipfile.ZipFile(shard) as archive:
            assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        with np.load(shard, allow_pickle=False) as arrays:
            return read_arrays(arrays, arrays.files)
