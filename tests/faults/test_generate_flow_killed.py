"""SIGKILL of the flow `generate` in the middle of a shard: run again, it makes what is missing and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from ganlib.cli import options
from ganlib.generation.batch.batch import generate, verify
from ganlib.generation.session import OnnxModel
from ganlib.jobs.images.request import GenerateRequest
from tests import factories
from tests.conftest import ROOT
from tests.services import project as projects
from tests.support import forks

pytestmark = [pytest.mark.faults, pytest.mark.slow]

COUNT, SHARD, SEED = 30_000, 1_000, 3


def test_a_flow_killed_in_mid_job_is_completed_by_the_next_run(tmp_path: Path) -> None:
    factories.project(tmp_path / "project")
    shutil.copytree(projects.empty_prefect(), tmp_path / "prefect")
    factories.graph(tmp_path / "g.onnx")
    out = tmp_path / "out"
    request = GenerateRequest(out=str(out), count=COUNT, seed=SEED, shard_size=SHARD, file_format="npy")
    words = ["pipelines", "generate", "--model", str(tmp_path / "g.onnx"), "--json"]
    words += [*options.words(request)]
    environment = {
        **os.environ,
        "GANLIB_ROOT": str(tmp_path / "project"),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    deadline = time.monotonic() + 900
    flow = forks.Command(words, tmp_path, environment)
    while flow.poll() is None and len(list(out.glob("shard-*.npy"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.002)
    flow.kill()
    flow.communicate(300)
    assert flow.returncode == -signal.SIGKILL
    there = {path: path.stat().st_ino for path in out.glob("shard-*.npy")}
    assert 4 <= len(there) < COUNT // SHARD
    assert not verify(out).complete

    again = forks.run(words, tmp_path, environment)
    assert again.returncode == 0, again.stderr[-3000:]
    assert all(path.stat().st_ino == inode for path, inode in there.items()), "a whole shard was made again"
    assert verify(out).ok
    local = generate(
        OnnxModel(tmp_path / "g.onnx"), out=tmp_path / "local", count=COUNT, seed=SEED, shard_size=SHARD,
        file_format="npy",
    )  # fmt: skip
    assert json.loads(again.stdout)["digest"] == local.digest
    with sqlite3.connect(tmp_path / "prefect" / "prefect.db") as database:
        states = [row[0] for row in database.execute("SELECT state_type FROM flow_run ORDER BY created")]
    assert states == ["CRASHED", "COMPLETED"], "the killed run is not left running for ever"
