"""Drawn images of discs, squares and diamonds in colour, and a project that holds them as its data version."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import yaml

from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.data.spec import DatasetSpec, ImageShape
from ganlib.data.splits import SPLITS, Split
from ganlib.data.versioning import dvc_cache
from ganlib.data.versioning.record import Pixels, Summary
from tests.conftest import ROOT

SHAPES = DatasetSpec(
    name="shapes", image=ImageShape(channels=3, height=32, width=32), class_names=("disc", "square", "diamond")
)
UNLABELLED = SHAPES.model_copy(update={"class_names": ()})


def drawn(count: int, seed: int = 0, side: int = 32, channels: int = 3) -> Split:
    """``count`` images [channels, side, side] of one shape each, its label, size, place and colours drawn."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    column = (count, 1, 1)
    x, y = (np.arange(side) / side - random.uniform(0.3, 0.7, column) for _ in range(2))
    x, y = np.broadcast_arrays(x, y.transpose(0, 2, 1))
    radius = random.uniform(0.12, 0.3, column)
    measures = np.stack([np.hypot(x, y), np.maximum(abs(x), abs(y)), abs(x) + abs(y)])
    inside = (measures[labels, np.arange(count)] < radius)[:, None]
    ink, paper = (random.uniform(*levels, (count, channels, 1, 1)) for levels in ((120, 255), (0, 80)))
    images = np.where(inside, ink, paper) + random.normal(0, 4, (count, channels, side, side))
    return Split(images.clip(0, 255).astype(np.uint8), labels)


def prepare(folder: Path, spec: DatasetSpec = SHAPES, train: int = 200, seed: int = 0) -> Path:
    """Write three splits of :func:`drawn` images, and their summary, as DVC's stage `prepare` does."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {"train": train, "validation": train // 4, "test": train // 4}
    classes = {}
    for place, name in enumerate(SPLITS):
        split = drawn(counts[name], seed + place, spec.image.height, spec.image.channels)
        np.save(folder / f"{name}-images.npy", split.images)
        if spec.class_names:
            np.save(folder / f"{name}-labels.npy", split.labels)
            classes[name] = np.bincount(split.labels, minlength=spec.num_classes).tolist()
    summary = Summary(
        raw={},
        files={path.name: sha256_file(path) for path in sorted(folder.glob("*.npy"))},
        counts=counts,
        classes=classes,
        pixels={"train": Pixels(mean=0, std=1)},
        seed=0,
        validation_one_in=6,
        test_one_in=6,
        spec=spec,
    )
    (folder / "summary.json").write_text(summary.model_dump_json())
    return folder


def project(root: Path, spec: DatasetSpec = SHAPES, train: int = 200, seed: int = 0, steps: int = 20) -> Project:
    """A project whose data version is :func:`prepare`-d; its judge is trained in so many steps."""
    root.mkdir(parents=True, exist_ok=True)
    here = Project(root)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["judge"]["steps"], params["data"]["source"] = steps, "own"
    here.params_file.write_text(yaml.safe_dump(params))
    for name in ("dvc.yaml", ".dvc/config"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "ganlib").symlink_to(ROOT / "ganlib")
    replace_data(here, spec, train, seed)
    return here


def replace_data(here: Project, spec: DatasetSpec, train: int, seed: int) -> None:
    """Make other drawn images the data version."""
    shutil.rmtree(here.prepared, ignore_errors=True)
    prepare(here.prepared, spec, train, seed)
    md5 = dvc_cache.tree_md5(dvc_cache.tree(here.prepared))
    lock_file = here.root / "dvc.lock"
    lock = yaml.safe_load(lock_file.read_text()) if lock_file.exists() else {"schema": "2.0", "stages": {}}
    for stage, path in (("fetch", "data/raw"), ("prepare", "data/prepared")):
        lock["stages"][stage] = {
            "cmd": f"python -m ganlib data {stage}",
            "params": {"params.yaml": {"data.source": "own", "data.seed": 0}},
            "outs": [{"path": path, "hash": "md5", "md5": md5}],
        }
    lock_file.write_text(yaml.safe_dump(lock))
