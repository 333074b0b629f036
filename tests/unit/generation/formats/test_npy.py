"""Shards as ``.npy``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.unit.generation.formats.suite import FormatSuite, Read, read_arrays


class TestNpy(FormatSuite):
    form, suffix = "npy", ".npy"
    says_names = False  # there is no place for them beside the records

    def read(self, shard: Path) -> Read:
        records = np.load(shard, mmap_mode="r", allow_pickle=False)
        return read_arrays(records, records.dtype.names)
