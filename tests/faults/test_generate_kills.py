"""SIGKILL at random moments, resumed each time: the digest is that of a job that was never interrupted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.kills import survives
from tests import factories

pytestmark = pytest.mark.faults

COUNT = int(os.environ.get("GANLIB_KILLS_COUNT", "10000"))  # the full size is 200,000, with 20 kills
KILLS = int(os.environ.get("GANLIB_KILLS", "3"))


def test_a_job_killed_at_random_moments_ends_with_the_digest_of_one_that_never_was(tmp_path: Path) -> None:
    factories.graph(tmp_path / "g.onnx")
    hits, resumed, whole = survives(
        tmp_path / "g.onnx", tmp_path, count=COUNT, shard_size=max(1, COUNT // 100), kills=KILLS
    )
    assert hits == KILLS
    assert resumed == whole
