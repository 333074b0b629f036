"""A batch and an index of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.generation.detection import index as indexes
from ganlib.generation.session import OnnxModel
from tests.unit.generation.formats.suite import make


@pytest.fixture(scope="module")
def batch(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thousand images as PNG files."""
    out = tmp_path_factory.mktemp("batch") / "out"
    make(model, out, "png", count=1000, seed=5, shard_size=400, origin={"model": "m", "version": 7})
    return out


@pytest.fixture(scope="module")
def index(batch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that knows the batch."""
    path = tmp_path_factory.mktemp("index") / "detect.db"
    assert indexes.update(path, [batch]).images > 990
    return path
