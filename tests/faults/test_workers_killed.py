"""The generate flow over two Dask workers, one of which is killed in the middle of a shard: nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganlib.cli import options
from ganlib.generation.batch.batch import generate, verify
from ganlib.generation.session import OnnxModel
from ganlib.jobs.images.request import GenerateRequest
from tests import factories
from tests.conftest import ROOT
from tests.services import project as projects
from tests.services.conftest import end, free_port
from tests.support.forks import Command

pytestmark = [pytest.mark.faults, pytest.mark.slow]

COUNT, SHARD, SEED = 30_000, 5_000, 9


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    factories.project(tmp_path / "project")
    shutil.copytree(projects.empty_prefect(), tmp_path / "prefect")
    return {
        **os.environ,
        "GANLIB_ROOT": str(tmp_path / "project"),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def cluster(tmp_path: Path, environment: dict[str, str]) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler's URL, and two workers of one thread each that nobody restarts."""
    url, log = f"tcp://127.0.0.1:{(port := free_port())}", (tmp_path / "dask.log").open("wb")
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["worker", url, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]],
            cwd=tmp_path, env=environment, stdout=log, stderr=log,
        )
        for words in (scheduler, worker, worker)
    ]  # fmt: skip
    yield url, started[1:]
    for process in started:
        end(process)
    log.close()


def wait_for_a_part(out: Path, workers: list[subprocess.Popen[bytes]], flow: Command) -> int:
    """The pid of the worker that is in the middle of a shard, once another shard is whole."""
    deadline = time.monotonic() + 900
    while flow.poll() is None and time.monotonic() < deadline:
        for part in out.glob(".shard-*.npy.*.part") if any(out.glob("shard-*.npy")) else ():
            pid = int(part.name.split(".")[3])
            if pid in {worker.pid for worker in workers}:
                return pid
        time.sleep(0.002)
    pytest.fail(f"no worker was seen at work (exit code {flow.returncode}): {flow.communicate()}")


def test_a_worker_killed_in_mid_shard_changes_nothing(
    tmp_path: Path, environment: dict[str, str], cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    url, workers = cluster
    factories.graph(tmp_path / "g.onnx")
    out = tmp_path / "out"
    request = GenerateRequest(out=str(out), count=COUNT, seed=SEED, shard_size=SHARD, file_format="npy")
    words = ["pipelines", "generate", "--model", str(tmp_path / "g.onnx"), "--json"]
    words += [*options.words(request), "--runner", "dask", "--scheduler", url]
    flow = Command(words, tmp_path, environment)
    victim = wait_for_a_part(out, workers, flow)
    os.kill(victim, signal.SIGKILL)
    printed, problems = flow.communicate(timeout=900)
    assert flow.returncode == 0, problems[-3000:]
    (dead,) = [worker for worker in workers if worker.pid == victim]
    assert dead.wait(300) == -signal.SIGKILL
    local = generate(
        OnnxModel(tmp_path / "g.onnx"), out=tmp_path / "local", count=COUNT, seed=SEED, shard_size=SHARD,
        file_format="npy",
    )  # fmt: skip
    assert json.loads(printed)["digest"] == local.digest
    assert verify(out).ok
    assert json.loads((out / "card.json").read_text())["runs"][0]["images"] == COUNT
