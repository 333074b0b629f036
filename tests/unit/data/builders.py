"""Small sets of real files in the layouts that users have."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ganlib.core.project import Project
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist import idx
from ganlib.data.splits import Split
from tests.conftest import ROOT


def digits(count: int, seed: int = 0) -> Split:
    """``count`` images, each digit equally often, light noise in the middle of a dark field, no two the same."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 4:24, 4:24] = rng.integers(0, 256, (count, 20, 20))
    return Split(images, np.arange(count, dtype=np.uint8) % 10)


def idx_files(train: int = 240, test: int | None = 100, seed: int = 0) -> dict[str, bytes]:
    """Two or four IDX files under MNIST's names."""
    parts = [(digits(train, seed), mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS)]
    if test:
        parts.append((digits(test, seed + 1), mnist.TEST_IMAGES, mnist.TEST_LABELS))
    return {name: idx.encode(array) for split, *names in parts for name, array in zip(names, split, strict=True)}


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write ``files`` into ``folder``, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def png_folders(folder: Path, split: Split) -> Path:
    """One folder of PNGs a digit."""
    for place, (image, label) in enumerate(zip(*split, strict=True)):
        path = folder / str(label) / f"{place:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def dvc_project(folder: Path) -> Project:
    """A checkout of its own, outside git: this code, these stages, nothing fetched, nothing pinned."""
    ignored = shutil.ignore_patterns("__pycache__", "weights")
    shutil.copytree(ROOT / "ganlib", folder / "ganlib", ignore=ignored)
    for name in ("dvc.yaml", ".dvcignore", "params.yaml", ".dvc/config", ".dvc/.gitignore", "data/.gitignore"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return Project(folder)


def flip(path: Path, offset: int = 1000) -> None:
    """Change one byte of ``path``, also where DVC has made it read-only."""
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(offset)
        byte = stream.read(1)
        stream.seek(offset)
        stream.write(bytes([byte[0] ^ 0xFF]))
