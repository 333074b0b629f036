"""How many seconds of training a quality takes, beside an earlier build: FID curves over seconds.

    git clone . ../before && git -C ../before checkout 8e2f967    # then `make data` there
    python -m benchmarks.quality dcgan --before ../before --fid 1.5
    python -m benchmarks.quality cgan --before ../before --fid 0.6 --picture docs/images/quality-cgan.png

In a project, on its data version: `ganlib train FAMILY` of both builds at once, a core and a thread each, which they
swap with each seed. Curves are of the validation FIDs that training itself measures, whose seconds are not training.
Limit: the seconds to the FID, median of the seeds' ratios, at most half of the earlier build's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from mlflow import MlflowClient

from benchmarks.rounds import Figure, at_most, run, show
from ganlib.core.project import find

LIMIT = 0.5
"""Of the earlier build's seconds, at most."""
_NEIGHBOURS = 3
"""Windows on either side that say how long one with a check in it would have been without."""


class Point(NamedTuple):
    """What a check found."""

    seconds: float
    images: int
    fid: float


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
    parser.add_argument("--picture", type=Path, help="draw the curves there, as PNG")
    args = parser.parse_args(words)
    here = find().root
    curves: dict[str, list[list[Point]]] = {"before": [], "now": []}
    for seed in args.seeds:
        for side, curve in zip(curves, _race(args, seed, (args.before.resolve(), here)), strict=True):
            curves[side].append(curve)
            for point in curve:
                print(f"| {side} | {seed} | {point.seconds:.0f} | {point.images:,} | {point.fid:.3g} |", flush=True)
    if args.picture:
        _draw(args, curves)
    return show(_figures(args, curves))


def seconds_to(curve: Sequence[Point], fid: float) -> float | None:
    """Seconds until a curve is at ``fid``, on the line between two checks; None if it never is."""
    for before, after in itertools.pairwise(curve):
        if after.fid <= fid < before.fid:
            share = (before.fid - fid) / (before.fid - after.fid)
            return before.seconds + share * (after.seconds - before.seconds)
    return curve[0].seconds if curve and curve[0].fid <= fid else None


def _figures(args: argparse.Namespace, curves: dict[str, list[list[Point]]]) -> Iterator[Figure]:
    """Seconds of both and their ratio. All the seconds of an earlier build that never gets there count, which favours
    it, and this build is to get there."""
    seconds = {}
    for side, found in curves.items():
        late = [curve[-1].seconds if side == "before" else math.inf for curve in found]
        seconds[side] = [seconds_to(curve, args.fid) or end for curve, end in zip(found, late, strict=True)]
        yield Figure(f"{args.family}, seconds to FID {args.fid:g}: {side}", seconds[side])
    ratios = [now / before for before, now in zip(seconds["before"], seconds["now"], strict=True)]
    yield at_most(f"{args.family}, seconds to FID {args.fid:g}: now / before", ratios, LIMIT)


def _race(args: argparse.Namespace, seed: int, places: tuple[Path, Path]) -> list[list[Point]]:
    """Train in both ``places`` at once, on cores of their own that they swap with ``seed``."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < len(places):
        raise SystemExit("Two cores are needed.")
    with ExitStack() as stack:
        trainings = []
        for turn, (place, own) in enumerate(zip(places, ([], args.set), strict=True)):
            os.sched_setaffinity(0, {cores[(turn + seed) % 2]})  # which is inherited by what starts now
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(place)}
            trainings.append(stack.enter_context(subprocess.Popen(
                _command(args, seed, own), stdout=subprocess.PIPE, text=True, cwd=place, env=environment
            )))  # fmt: skip
        os.sched_setaffinity(0, cores)
        answers = [each.communicate()[0] for each in trainings]
    for place, each in zip(places, trainings, strict=True):
        if each.returncode:
            raise SystemExit(f"The training in {place} failed.")
    return [_curve(place, json.loads(answer)) for place, answer in zip(places, answers, strict=True)]


def _curve(place: Path, result: dict[str, Any]) -> list[Point]:
    """Of a run in MLflow's database of ``place``."""
    client, run = MlflowClient(f"sqlite:///{place}/mlflow.db"), str(result["run_id"])
    fids, windows = (_history(client, run, metric) for metric in ("validation_fid", "images_per_second"))
    return curve_of(dict(fids), windows, result["images"] / result["steps"])


def _command(args: argparse.Namespace, seed: int, own: Sequence[str]) -> list[str]:
    settings = {
        "train.seed": seed,
        f"budgets.{args.budget}.seconds": args.seconds,
        "train.checks": args.checks,
        "train.check_share": 10,
        "train.seconds_per_check": 1,
        "train.check_samples": 5000,
    }
    words = [f"{key}={value}" for key, value in settings.items()] + list(own)
    return [
        sys.executable, "-m", "ganlib", "train", args.family, "--budget", args.budget, "--json",
        *(word for each in words for word in ("--set", each)),
    ]  # fmt: skip


def curve_of(fids: Mapping[int, float], windows: Sequence[tuple[int, float]], size: float) -> list[Point]:
    """The checks of a run, over seconds of training alone.

    Args:
        fids: what each check found, by its step.
        windows: steps at which the losses were read, each with the images a second since the one before. A window that
            began with a check has the check's seconds in it, and counts as long as the median of those around it.
        size: of a batch.
    """
    durations = []
    for place, (step, speed) in enumerate(windows):
        since = windows[place - 1][0] if place else 0
        if any(since <= check < step for check in fids):
            around = windows[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]
            speed = statistics.median(other for _, other in around)
        durations.append((step, (step - since) * size / speed))
    return [
        Point(sum(seconds for step, seconds in durations if step <= check), round(check * size), fid)
        for check, fid in sorted(fids.items())
    ]


def _history(client: MlflowClient, run: str, metric: str) -> list[tuple[int, float]]:
    """Steps and values of ``metric``, which later builds show in a group: ``quality/validation_fid``."""
    name = next(each for each in client.get_run(run).data.metrics if each.rpartition("/")[2] == metric)
    return sorted((each.step, each.value) for each in client.get_metric_history(run, name))


def _draw(args: argparse.Namespace, curves: dict[str, list[list[Point]]]) -> None:
    from matplotlib.figure import Figure as Sheet  # comes with mlflow

    sheet = Sheet(figsize=(7, 4), layout="constrained")
    axes = sheet.subplots()
    for (side, found), colour in zip(curves.items(), ("tab:gray", "tab:blue"), strict=True):
        for turn, curve in enumerate(found):
            axes.plot(
                [point.seconds for point in curve], [point.fid for point in curve], color=colour,
                label=None if turn else side,
            )  # fmt: skip
    axes.axhline(args.fid, color="black", linewidth=0.5)
    axes.set(yscale="log", xlabel="seconds of training on one thread", ylabel="validation FID", title=args.family)
    axes.legend()
    sheet.savefig(args.picture, dpi=110)


if __name__ == "__main__":
    run(main)
