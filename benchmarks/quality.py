"""How many seconds of training a quality takes, beside an earlier build and other people's programs: FIDs over seconds.

    git clone . ../before && git -C ../before checkout 8e2f967    # then `make data` there
    python -m benchmarks.quality dcgan --before ../before --fid 1.5
    python -m benchmarks.quality cgan --before ../before --fid 0.6 --picture docs/images/quality-cgan.png
    python -m benchmarks.quality dcgan --before ../before --fid 1.5 --python VENV/bin/python \
        --peers PyTorch-GAN/implementations/dcgan/dcgan.py PyTorch-GAN/implementations/wgan_gp/wgan_gp.py pythae

In a project, on its data version: `ganlib train FAMILY` of both builds at once, a core and a thread each, which they
swap with each seed. Then the peers, two by two, for as many seconds on the same images (benchmarks/peer_script.py).
Curves are of validation FIDs of as many samples: those that training itself measures, and those of what the peers draw.
What that takes is no training. Limit: the seconds to the FID, median of the seeds' ratios, at most half of the earlier
build's.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mlflow import MlflowClient

from benchmarks.curves import Point, curve_of, seconds_to
from benchmarks.peers import SCRIPT, write_images
from benchmarks.rounds import Figure, at_most, run, show
from ganlib.config import load
from ganlib.core.project import Project, find
from ganlib.data.splits import load_split
from ganlib.evaluation.validation import Validation
from ganlib.jobs.data.judge import judge_for
from ganlib.jobs.data.version_data import current_data

LIMIT = 0.5
"""Of the earlier build's seconds, at most."""
_SAMPLES = 5000


def main(words: Sequence[str]) -> int:
    """Print the curves and the ratio. 1 if the limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("family")
    parser.add_argument("--before", type=Path, required=True, help="checkout of the earlier build, with its data")
    parser.add_argument("--fid", type=float, required=True, help="quality to be reached")
    parser.add_argument("--seconds", type=float, default=300, help="that a training may take")
    parser.add_argument("--checks", type=int, default=20, help="of a training of all its steps")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budget", default="standard")
    parser.add_argument("--set", action="append", default=[], help="of this build alone, as in `ganlib train`")
    parser.add_argument("--peers", nargs="*", default=[], help="scripts of PyTorch-GAN, lightweight-gan, pythae")
    parser.add_argument("--python", help="of the peers' environment")
    parser.add_argument("--picture", type=Path, help="draw the curves there, as PNG")
    args = parser.parse_args(words)
    if args.peers and not args.python:
        parser.error("--peers need --python")
    project = find()
    peers = Peers(project, args) if args.peers else None
    curves: dict[str, list[list[Point]]] = {}
    for seed in args.seeds:
        found = _race(args, seed, (args.before.resolve(), project.root))
        for side, curve in (found | (peers.race(seed) if peers else {})).items():
            curves.setdefault(side, []).append(curve)
            for point in curve:
                print(f"| {side} | {seed} | {point.seconds:.0f} | {point.images:,} | {point.fid:.3g} |", flush=True)
    if args.picture:
        _draw(args, curves)
    return show(_figures(args, curves))


def _figures(args: argparse.Namespace, curves: dict[str, list[list[Point]]]) -> Iterator[Figure]:
    """Seconds of both builds and their ratio, and what everybody came to. All the seconds of an earlier build that
    never gets there count, which favours it, and this build is to get there."""
    seconds = {}
    for side in ("before", "now"):
        late = [curve[-1].seconds if side == "before" else math.inf for curve in curves[side]]
        seconds[side] = [seconds_to(curve, args.fid) or end for curve, end in zip(curves[side], late, strict=True)]
        yield Figure(f"{args.family}, seconds to FID {args.fid:g}: {side}", seconds[side])
    ratios = [now / before for before, now in zip(seconds["before"], seconds["now"], strict=True)]
    yield at_most(f"{args.family}, seconds to FID {args.fid:g}: now / before", ratios, LIMIT)
    for side, found in curves.items():
        last = [curve[-1] for curve in found]
        words = f"after {max(point.seconds for point in last):.0f} s and {max(point.images for point in last):,} images"
        yield Figure(f"{side}, lowest FID {words} at most", [min(point.fid for point in curve) for curve in found])


def _race(args: argparse.Namespace, seed: int, places: tuple[Path, Path]) -> dict[str, list[Point]]:
    """Train the family in both ``places``."""
    commands = [
        _Command(_words(args, seed, own), place, {"PYTHONPATH": str(place)})
        for place, own in zip(places, ([], args.set), strict=True)
    ]
    answers = side_by_side(commands, seed)
    return {
        side: _curve(place, json.loads(answer))
        for side, place, answer in zip(("before", "now"), places, answers, strict=True)
    }


class _Command(NamedTuple):
    words: list[str]
    folder: Path
    variables: dict[str, str]


def side_by_side(commands: Sequence[_Command], turn: int) -> list[str]:
    """Run at once, on a core and a thread each, which the commands swap by ``turn``; return what they print."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < len(commands):
        raise SystemExit(f"{len(commands)} cores are needed.")
    with ExitStack() as stack:
        running = []
        for place, each in enumerate(commands):
            os.sched_setaffinity(0, {cores[(place + turn) % 2]})  # which is inherited by what starts now
            environment = os.environ | {"OMP_NUM_THREADS": "1"} | each.variables
            running.append(stack.enter_context(subprocess.Popen(
                each.words, stdout=subprocess.PIPE, text=True, cwd=each.folder, env=environment
            )))  # fmt: skip
        os.sched_setaffinity(0, cores)
        answers = [each.communicate()[0] for each in running]
    for each, process in zip(commands, running, strict=True):
        if process.returncode:
            raise SystemExit(f"{' '.join(each.words[:5])} failed in {each.folder}.")
    return answers


class Peers:
    """Other people's programs, on the training images of a project's data version."""

    def __init__(self, project: Project, args: argparse.Namespace) -> None:
        """Write the images where the programs read them, and see the validation split as the judge does."""
        self._args, data = args, current_data(project)
        train = load_split(project.prepared, "train")
        wishes = np.random.default_rng(0).choice(train.labels, _SAMPLES)
        self._folders = {Path(peer).stem: project.state / "quality" / Path(peer).stem for peer in args.peers}
        for folder in self._folders.values():
            write_images(folder, train, wishes)
        judge = judge_for(project, load(project.params_file), data)
        self._validation = Validation(judge, load_split(project.prepared, "validation").images)

    def race(self, seed: int) -> dict[str, list[Point]]:
        """Train two by two for the given seconds; a curve for each way that each draws in."""
        commands = [
            _Command([self._args.python, str(SCRIPT), peer, str(folder), *self._times(seed)], folder, {})
            for peer, folder in zip(self._args.peers, self._folders.values(), strict=True)
        ]
        pairs = (commands[start : start + 2] for start in range(0, len(commands), 2))
        answers = [answer for pair in pairs for answer in side_by_side(pair, seed)]
        return {
            f"{name}, {way}": self._curve(folder, way, told["points"])
            for (name, folder), told in zip(self._folders.items(), map(json.loads, answers), strict=True)
            for way in told["ways"]
        }

    def _times(self, seed: int) -> list[str]:
        return [
            *("--every", str(self._args.seconds / self._args.checks), "--times", str(self._args.checks)),
            *("--seed", str(seed)),
        ]

    def _curve(self, folder: Path, way: str, points: Sequence[tuple[float, int]]) -> list[Point]:
        fids = (
            self._validation.of(np.load(folder / f"{way}-{turn}.npy", allow_pickle=False)).fid
            for turn in range(1, len(points) + 1)
        )
        return [Point(seconds, images, fid) for (seconds, images), fid in zip(points, fids, strict=True)]


def _curve(place: Path, result: dict[str, Any]) -> list[Point]:
    """Of a run in MLflow's database of ``place``."""
    client, run = MlflowClient(f"sqlite:///{place}/mlflow.db"), str(result["run_id"])
    fids, windows = (_history(client, run, metric) for metric in ("validation_fid", "images_per_second"))
    return curve_of(dict(fids), windows, result["images"] / result["steps"])


def _words(args: argparse.Namespace, seed: int, own: Sequence[str]) -> list[str]:
    settings = {
        "train.seed": seed,
        f"budgets.{args.budget}.seconds": args.seconds,
        "train.checks": args.checks,
        "train.check_share": 10,
        "train.seconds_per_check": 1,
        "train.check_samples": _SAMPLES,
    }
    words = [f"{key}={value}" for key, value in settings.items()] + list(own)
    return [
        sys.executable, "-m", "ganlib", "train", args.family, "--budget", args.budget, "--json",
        *(word for each in words for word in ("--set", each)),
    ]  # fmt: skip


def _history(client: MlflowClient, run: str, metric: str) -> list[tuple[int, float]]:
    """Steps and values of ``metric``, which later builds show in a group: ``quality/validation_fid``."""
    name = next(each for each in client.get_run(run).data.metrics if each.rpartition("/")[2] == metric)
    return sorted((each.step, each.value) for each in client.get_metric_history(run, name))


def _draw(args: argparse.Namespace, curves: dict[str, list[list[Point]]]) -> None:
    from matplotlib.figure import Figure as Sheet  # comes with mlflow

    sheet = Sheet(figsize=(7, 4), layout="constrained")
    axes = sheet.subplots()
    for place, (side, found) in enumerate(curves.items()):
        for turn, curve in enumerate(found):
            axes.plot(
                [point.seconds for point in curve], [point.fid for point in curve], color=f"C{place}",
                label=None if turn else side,
            )  # fmt: skip
    axes.axhline(args.fid, color="black", linewidth=0.5)
    axes.set(yscale="log", xlabel="seconds of training on one thread", ylabel="validation FID", title=args.family)
    axes.legend()
    sheet.savefig(args.picture, dpi=110)


if __name__ == "__main__":
    run(main)
