"""What a trained parent is worth to a few hundred images of a category that it never saw (docs/few-images.md).

    python -m benchmarks.fine_tuning dcgan Sandal
    python -m benchmarks.fine_tuning dcgan 4 --images 200 --seconds 120 --seeds 3

In a project whose data version has classes. The parent is trained on all other classes, in a clone of this checkout.
Then `ganlib train FAMILY` on so many images of the category begins from it (`--init`) and from nothing, both at once,
with a core, a thread, a seed and the seconds each. Scored by a judge that neither was trained with, against images of
the category that neither saw. Limit: for every seed the whole interval of the FID lies below that of the other.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks import other_judge
from ganlib.config import EvaluateConfig, load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project, find
from ganlib.data.splits import Split, load_split
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation.evaluate import Reference, load_reference, score_images
from ganlib.evaluation.judge.judge import Judge
from ganlib.evaluation.needs import fitted
from ganlib.generation.session import OnnxModel
from ganlib.jobs.data.version_data import current_data

_ROOT = Path(__file__).resolve().parents[1]
_SEED = 0  # of the draw of the few images


def main(words: Sequence[str]) -> int:
    """Print a row for each seed and way. 1 if a start from nothing is as good."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fine_tuning", description="See docs/few-images.md.")
    parser.add_argument("family", help="one without classes or captions")
    parser.add_argument("category", help="a class of the data version")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=120, help="of each training on them")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--parent-budget", default="standard")
    args = parser.parse_args(words)
    project = find()
    params, data = load(project.params_file), current_data(project)
    if args.category not in data.spec.class_names:
        raise BadInput(f"{args.category} is none of the classes {', '.join(data.spec.class_names)}.")
    judge = other_judge.judge(project, load_split(project.prepared, "train"), data)
    with tempfile.TemporaryDirectory(prefix="ganlib-fine-tuning-") as name:
        folder = Path(name)
        unseen = _folders(project, data, args.category, args.images, folder)
        clone = _clone(folder)
        parent = _ganlib(
            clone, "train", args.family, "--budget", args.parent_budget, "--from", str(folder / "others.parquet")
        )
        print(f"parent: {args.family}, {parent['steps']:,} steps on {parent['images']:,} images of the other classes")
        _ganlib(clone, "data", "version", "--from", str(folder / "few.parquet"))
        _ganlib(clone, "judge", "show")  # makes it, so that no training waits for it
        few = load_split(Project(clone).prepared, "train")
        quality = _reference(folder / "quality", unseen, unseen, judge, params.evaluate)
        copies = _reference(folder / "copies", few, unseen, judge, params.evaluate)
        print(
            f"{data.spec.name} {args.category}: {args.images} images, {len(few.images)} of them to train on; judge "
            f"{judge.sha256[:12]}; n {quality.config.samples:,}, seed {quality.config.seed}, floor "
            f"{quality.floors['fid']}; near copies among {copies.config.samples}"
        )
        print("| seed | begins from | steps | images seen | FID | near copies |\n|---|---|---|---|---|---|")
        better = [_better(clone, args, parent["run_id"], seed, judge, quality, copies) for seed in range(args.seeds)]
    print(f"limit, all of the interval below the other's: {'kept' if all(better) else 'MISSED'}")
    return int(not all(better))


def _better(
    clone: Path, args: argparse.Namespace, parent: str, seed: int, judge: Judge, quality: Reference, copies: Reference
) -> bool:
    """Train both at once, print their rows; whether the one with a parent is better beyond doubt."""
    budget = f"budgets.demo={{steps: 1000000, seconds: {args.seconds}}}"
    common = (args.family, "--budget", "demo", "--set", budget, "--set", f"train.seed={seed}")
    ways = {"the parent": ("--init", f"runs:/{parent}"), "nothing": ()}
    cores = sorted(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        running = {}
        for core, (way, words) in zip((cores[0], cores[-1]), ways.items(), strict=True):
            os.sched_setaffinity(0, {core})  # which is inherited by what starts now
            running[way] = stack.enter_context(_started(clone, "train", *common, *words))
        os.sched_setaffinity(0, cores)
        results = {way: _result(process) for way, process in running.items()}
    fids = {}
    for way, result in results.items():
        model = OnnxModel(Path(result["onnx"]))
        images = model.draw(model.request(quality.config.seed), 0, quality.config.samples)
        fids[way] = score_images(images, quality, judge, quality.config)[0].fid
        near = score_images(images[: copies.config.samples], copies, judge, copies.config)[0].figures["copies"]
        print(
            f"| {seed} | {way} | {result['steps']:,} | {result['images']:,} | {fids[way]} | {near.value:.1%} |",
            flush=True,
        )
    return fids["the parent"].high < fids["nothing"].low


def _folders(project: Project, data: DataVersion, category: str, count: int, folder: Path) -> Split:
    """Write pictures of the other classes and of ``count`` images of the category; return the category's others."""
    code = data.spec.class_names.index(category)
    train, test = load_split(project.prepared, "train"), load_split(project.prepared, "test")
    others = train.labels != code
    names = [data.spec.class_names[label] for label in train.labels[others]]
    _write(folder / "others.parquet", train.images[others], names)
    mine = np.random.default_rng(_SEED).permutation(train.images[train.labels == code])
    _write(folder / "few.parquet", mine[:count])
    rest = np.concatenate([mine[count:], test.images[test.labels == code]])
    return Split(rest, np.full(len(rest), code))


def _write(path: Path, images: np.ndarray, labels: Sequence[str] | None = None) -> None:
    column = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(file, "png", compress_level=1)
        column.append({"bytes": file.getvalue(), "path": None})
    pq.write_table(pa.table({"image": column} | ({"label": labels} if labels else {})), path)


def _reference(folder: Path, train: Split, unseen: Split, judge: Judge, config: EvaluateConfig) -> Reference:
    """Hold images against one half of ``unseen``; where ``train`` is ``unseen`` too, its other half gives the floor."""
    half = len(unseen.images) // 2
    halves = {"train": train.images if train is not unseen else unseen.images[half:], "test": unseen.images[:half]}
    folder.mkdir()
    for name, images in halves.items():
        np.save(folder / f"{name}-images.npy", images)
        np.save(folder / f"{name}-labels.npy", np.full(len(images), unseen.labels[0]))
    counts = {name: len(images) for name, images in halves.items()} | {"validation": half}
    return load_reference(folder, folder.name, judge, fitted(config, counts), cache=folder)


def _clone(folder: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", _ROOT, folder / "project"], check=True)
    return folder / "project"


def _ganlib(clone: Path, *words: str) -> dict[str, Any]:
    with _started(clone, *words) as process:
        return _result(process)


def _started(clone: Path, *words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(clone)}
    return subprocess.Popen(
        [sys.executable, "-m", "ganlib", *words, "--json"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    words = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"{process.args!r} failed")
    result: dict[str, Any] = json.loads(words)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
