"""What it is worth to count threads by a container's CPU quota, and not by the cores that are visible in it.

    python -m benchmarks quota    # as root; of one core (GANLIB_QUOTA), five rounds (GANLIB_BENCH_ROUNDS)

Each round draws images and trains in processes of their own inside a real control group (version 1, or 2 where the
controller is free), to which 54 cores are shown: one counts threads by them, the other as this project does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import torch

from benchmarks import untrained
from benchmarks.rounds import Figure, at_least, show
from ganlib import families
from ganlib.core import threads
from ganlib.data.batches import DeviceBatches
from ganlib.data.mnist.dataset import MNIST
from ganlib.generation.session import OnnxModel
from ganlib.training import device
from ganlib.training.distributed import ALONE
from ganlib.training.step import Step

CORES = float(os.environ.get("GANLIB_QUOTA", "1"))
ROUNDS = int(os.environ.get("GANLIB_BENCH_ROUNDS", "5"))
VISIBLE, PERIOD = 54, 100_000
"""Cores shown to a process; microseconds of the kernel's accounting."""
SECONDS = 8.0
"""Of each measurement, after its first two seconds."""
LIMIT = 1.0
"""Images a second by the quota / by the visible cores, at least."""


def main(words: Sequence[str]) -> int:
    """Print the ratios; with a way and what is to be measured, that figure. 1 if a limit is missed."""
    if not words:
        return show(run())
    group, way, work, path = words
    print(_inside(Path(group), way, work, Path(path)))
    return 0


def run() -> Iterator[Figure]:
    """Ratios of drawing and of training; the two ways take turns."""
    with tempfile.TemporaryDirectory() as folder, _group() as group:
        path = Path(folder) / "dcgan.onnx"
        untrained.write(path)
        for work in ("draw", "train"):
            rates: dict[str, list[float]] = {"visible": [], "quota": []}
            for _ in range(ROUNDS):
                for way, values in rates.items():
                    values.append(_process(group, way, work, path))
            for way, values in rates.items():
                cores = f"{VISIBLE} visible cores" if way == "visible" else f"quota of {CORES:g}"
                yield Figure(f"{work}: images a second, threads for the {cores}", values)
            ratios = [ours / theirs for ours, theirs in zip(rates["quota"], rates["visible"], strict=True)]
            yield at_least(f"{work}: images a second, by the quota / by the visible cores", ratios, LIMIT)


@contextmanager
def _group() -> Iterator[Path]:
    """A control group of ``CORES`` cores, which this process stays outside of."""
    name, quota = f"ganlib-bench-{os.getpid()}", round(CORES * PERIOD)
    legacy = Path("/sys/fs/cgroup/cpu")
    group = (legacy if legacy.is_dir() else legacy.parent) / name
    group.mkdir()
    try:
        if legacy.is_dir():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (group / "cpu.max").write_text(f"{quota} {PERIOD}")
        yield group
    finally:
        group.rmdir()


def _process(group: Path, way: str, work: str, path: Path) -> float:
    command = [sys.executable, "-m", "benchmarks", "quota", str(group), way, work, str(path)]
    # libgomp would count the visible cores by itself, which are pretended to Python alone.
    count = {"OMP_NUM_THREADS": str(VISIBLE)} if way == "visible" else {}
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | count
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return float(done.stdout.splitlines()[-1])


def _inside(group: Path, way: str, work: str, path: Path) -> float:
    """Images a second of ``work`` in this process, which joins the group and is shown more cores than there are."""
    (group / "cgroup.procs").write_text(str(os.getpid()))
    threads.visible_cores = lambda: VISIBLE
    if way == "visible":
        threads.cpu_quota = lambda root=Path("/"): None
    threads.set_defaults()
    return _draw(path) if work == "draw" else _train()


def _draw(path: Path) -> float:
    """Draw from the graph at ``path``, as batches do."""
    model = OnnxModel(path)
    request = model.request(0)
    return _rate(lambda: sum(len(block.images) for block in model.blocks(request, 0, 1024)))


def _train() -> float:
    """Take a dcgan's steps, as a training does."""
    device.prepare("cpu", 0)
    family = families.build("dcgan", families.options("dcgan", {}), MNIST)
    images = np.random.default_rng(0).integers(0, 256, (1024, *MNIST.image.dims), dtype=np.uint8)
    size = family.options.batch_size
    batches = DeviceBatches(images, np.zeros(len(images), np.int64), size, 0, torch.device("cpu"))
    take, steps = Step(family, batches, ALONE), count()

    def step() -> int:
        take(next(steps))
        return size

    return _rate(step)


def _rate(work: Callable[[], int]) -> float:
    """Images a second of ``work``, which returns how many it was, after its first two seconds."""
    for seconds in (2.0, SECONDS):
        images, start = 0, time.monotonic()
        while time.monotonic() - start < seconds:
            images += work()
    return images / (time.monotonic() - start)
