"""What DiffAugment and a stronger R1 penalty are worth, by the number of training images (docs/few-images.md).

``python -m benchmarks.few [--images 300 2000 20000] [--seeds 3] [--steps 4000]`` trains `dcgan` of 16 channels on the
first so many training images of the checkout's data version, in each way and with each seed, and prints the validation
FID of its moving average at the end and where it was lowest, on one thread. No limit is promised.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ganlib import config, families
from ganlib.config import Limits
from ganlib.core import project as projects
from ganlib.core.project import Project
from ganlib.data.batches import DeviceBatches
from ganlib.data.spec import DatasetSpec
from ganlib.data.splits import Split, load_split
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation.judge.judge import Judge
from ganlib.jobs.data.judge import judge_for
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.training.check import Checker
from ganlib.training import device, loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.ema import Ema

CHANNELS, CHECKS, SAMPLES = 16, 4, 2000
NONE = {"diffaugment_shift": 0, "diffaugment_cut": 0, "diffaugment_colour": False, "r1_scale": 1.0}


def ways(data: DataVersion) -> dict[str, Mapping[str, object]]:
    """Return the options of each way by what the table calls it."""
    side, colour = data.spec.image.height, data.spec.image.channels > 1
    shift = {**NONE, "diffaugment_shift": side // 8}
    augment = {**shift, "diffaugment_cut": side // 2, "diffaugment_colour": colour}
    rows: dict[str, Mapping[str, object]] = {"nothing": NONE, "shift": shift}
    if colour:
        rows["shift, cut, colour"] = augment
    return rows | {f"{name}, R1 x 4": {**row, "r1_scale": 4.0} for name, row in rows.items()}


def main(words: Sequence[str]) -> int:
    """Print a row of the table for each number of images and way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few", description="See docs/few-images.md.")
    parser.add_argument("--images", type=int, nargs="+", default=[300, 2000, 20000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4000)
    args = parser.parse_args(words)
    project = projects.find()
    params, data = config.load(project.params_file), current_data(project)
    judge, train = judge_for(project, params, data), load_split(project.prepared, "train")
    device.prepare("cpu", 1)
    print(f"{data.spec.name} {data.spec.image}, judge {judge.sha256[:12]}, {SAMPLES} samples, {args.steps} steps")
    print(
        "| training images | way | FID at the end, a seed each | lowest FID of a run, a seed each |\n|---|---|---|---|"
    )
    for images in args.images:
        for name, options in ways(data).items():
            split = Split(train.images[:images], train.labels[:images])
            curves = [_curve(project, data.spec, judge, options, split, seed, args.steps) for seed in range(args.seeds)]
            last, best = (", ".join(f"{pick(curve):.1f}" for curve in curves) for pick in (lambda c: c[-1], min))
            print(f"| {images:,} | {name} | {last} | {best} |", flush=True)
    return 0


def _curve(
    project: Project,
    spec: DatasetSpec,
    judge: Judge,
    options: Mapping[str, object],
    split: Split,
    seed: int,
    steps: int,
) -> list[float]:
    """Validation FIDs of the moving average over one training."""
    torch.manual_seed(seed)
    row = families.options("dcgan", {"channels": CHANNELS, **options})
    family = families.build("dcgan", row, spec).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = DeviceBatches(split.images, split.labels, row.batch_size, seed, torch.device("cpu"))
    fids: list[float] = []

    def log(values: dict[str, float], _: int) -> None:
        fids.append(values["validation_fid"])

    check = Checker(family, project.prepared, log, judge=lambda: judge, samples=SAMPLES, seed=99, raw=False)
    with tempfile.TemporaryDirectory() as folder:
        plan = loop.Plan(
            "few", seed, Limits(steps=steps, seconds=36000), Checkpoints(Path(folder) / "c.pt", {}), grids=0,
            checks=CHECKS, check_share=1.0,
        )  # fmt: skip
        loop.fit(family, Ema(family.generator, row.ema_half_life), batches, plan, loop.Hooks(check=check))
    return fids


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
