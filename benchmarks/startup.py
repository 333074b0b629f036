"""Seconds from the start of the process `ganlib train FAMILY` to the end of its first step, on the CPU.

    python -m benchmarks startup          # GANLIB_BENCH_ROUNDS=5 changes the number of rounds

The data version is there, and MLflow is a database beside it, as in a fresh checkout after its first run; that first
run, which also builds the database's tables, is not counted. The moment is that of the first progress event of the
training, which comes with its first step because `train.log_every` is 1. Processor seconds are of the process and say
what a busy machine hides.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks.rounds import Figure, at_most, show
from tests.services import project as projects

NAMES = ("dcgan", "vae")
ROUNDS = int(os.environ.get("GANLIB_BENCH_ROUNDS", "5"))
LIMIT = 6.0
"""Of issue 4, in seconds."""


def main(words: Sequence[str]) -> int:
    """Print the seconds; ``words`` are none. 1 if the limit is missed."""
    return show(run())


def run() -> Iterator[Figure]:
    """Seconds and processor seconds, a family after the other."""
    with tempfile.TemporaryDirectory() as folder:
        project = projects.make(Path(folder) / "project")
        _first_step(project, NAMES[0])
        for name in NAMES:
            rounds = [_first_step(project, name) for _ in range(ROUNDS)]
            wall, cpu = ([each[place] for each in rounds] for place in (0, 1))
            yield at_most(f"seconds from `ganlib train {name}` to its first step", wall, LIMIT)
            yield Figure("processor seconds of the same", cpu)


def _first_step(project: Path, name: str) -> tuple[float, float]:
    """Start a training, wait for its first step, and end it: seconds, and the process's seconds on processors."""
    words = ["train", name, "--json", "--device", "cpu", "--budget", "standard", "--set", "train.log_every=1"]
    begun = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "ganlib", *words],
        cwd=project,
        env=projects.environment(project),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        seen = []
        for line in process.stderr:
            seen.append(line)
            if line.startswith("{") and json.loads(line).get("stage") == f"train {name}":
                break
        else:
            raise RuntimeError("".join(seen))
        wall, cpu = time.monotonic() - begun, psutil.Process(process.pid).cpu_times()
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    return wall, cpu.user + cpu.system
