"""How many times the images a second of one training K of them see at once on one device, each as it would alone.

    python -m benchmarks.side_by_side dcgan --jobs 16                       # on a GPU: at least 8 times is promised
    python -m benchmarks.side_by_side dcgan --jobs 2 --set train.device=cpu # what a core each gives

In a project: `ganlib train FAMILY` with seeds 0 to K-1, first that of seed 0 alone, then all at once as `ganlib tune
--jobs K` runs them, on a GPU as clients of NVIDIA's multi-process service. Images a second are the median of a
training's windows after the first third, in which libraries load and graphs are recorded. The graph of seed 0 is
compared with the one that was trained alone: grey levels that their images differ by.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.rounds import Figure, at_least, run, show
from ganlib.cli.app import open_project
from ganlib.core.processes import machine
from ganlib.core.progress import console
from ganlib.core.project import Project
from ganlib.core.shared_gpu import shared_gpu
from ganlib.core.threads import core_share
from ganlib.generation.session import OnnxModel
from ganlib.jobs.training.launch import train_in_child
from ganlib.tracking.store import connect

LIMIT, JOBS = 8.0, 16
"""What is promised of so many on a GPU."""
_IMAGES = 256


def main(words: Sequence[str]) -> int:
    """Print the figures. 1 if the limit is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.side_by_side", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("family")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--steps", type=int, default=3000, help="of each training")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args(words)
    overrides = [*args.overrides, f"budgets.smoke={{steps: {args.steps}, seconds: 3600}}", "train.checks=0"]
    project, params = open_project(overrides)
    share = {"OMP_NUM_THREADS": str(core_share(args.jobs))}

    def train(seed: int, variables: Mapping[str, str]) -> tuple[float, Path]:
        result = train_in_child(
            project, params, args.family, budget="smoke", concurrent=args.jobs,
            overrides=[*overrides, f"train.seed={seed}"], variables=variables,
        )  # fmt: skip
        return _speed(project, result.run_id), result.onnx

    alone, graph = train(0, share)
    with (
        console(as_json=False) as report,
        shared_gpu(args.jobs, params.train.device, report) as variables,
        ThreadPoolExecutor(args.jobs) as pool,
    ):
        together = list(pool.map(lambda seed: train(seed, share | variables), range(args.jobs)))
    difference = np.abs(_draw(graph) - _draw(together[0][1]))
    ratio = f"{args.family}: images/s of {args.jobs} trainings at once / of one alone"
    values = [sum(speed for speed, _ in together) / alone]
    promised = args.jobs == JOBS and params.train.device != "cpu"
    print(f"{machine()}; OMP_NUM_THREADS={share['OMP_NUM_THREADS']}; {args.steps:,} steps each")
    return show(
        [
            Figure(f"{args.family}: images/s of one alone", [alone]),
            Figure("of each of them", [speed for speed, _ in together]),
            at_least(ratio, values, LIMIT) if promised else Figure(ratio, values),
            Figure(f"grey levels by which {_IMAGES} images of seed 0 differ, mean", [float(difference.mean())]),
            Figure("the largest", [float(difference.max())]),
        ]
    )


def _speed(project: Project, run_id: str) -> float:
    """The median of a run's windows after its first third."""
    client = connect(project).client
    name = next(each for each in client.get_run(run_id).data.metrics if each.endswith("images_per_second"))
    values = [each.value for each in client.get_metric_history(run_id, name)]
    return statistics.median(values[len(values) // 3 :])


def _draw(graph: Path) -> np.ndarray:
    model = OnnxModel(graph)
    return model.draw(model.request(0), 0, _IMAGES).astype(np.int16)


if __name__ == "__main__":
    run(main)
