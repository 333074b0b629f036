"""Small sets of real files in the layouts that users have."""

from __future__ import annotations

import compileall
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganlib.config import DataConfig
from ganlib.core.progress import silent
from ganlib.core.project import Project
from ganlib.data import idx
from ganlib.data.importing import run
from ganlib.data.importing.layout import Source
from ganlib.data.importing.record import ImportReport
from ganlib.data.mnist import files as mnist
from ganlib.data.splits import Split
from tests.conftest import ROOT


def digits(count: int, seed: int = 0) -> Split:
    """``count`` images, each digit equally often, light noise in the middle of a dark field, no two the same."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, 1, 28, 28), np.uint8)
    images[:, 0, 4:24, 4:24] = rng.integers(0, 256, (count, 20, 20))
    return Split(images, np.arange(count) % 10)


def files_of(train: Split, test: Split | None = None) -> dict[str, bytes]:
    """IDX files of grey images under MNIST's names: two, or four."""
    parts = [(train, mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS)]
    if test:
        parts.append((test, mnist.TEST_IMAGES, mnist.TEST_LABELS))
    return {
        name: idx.encode(array.astype(np.uint8))
        for split, *names in parts
        for name, array in zip(names, (split.images[:, 0], split.labels), strict=True)
    }


def idx_files(train: int = 240, test: int | None = 100, seed: int = 0) -> dict[str, bytes]:
    """Two or four IDX files under MNIST's names."""
    return files_of(digits(train, seed), digits(test, seed + 1) if test else None)


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write ``files`` into ``folder``, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def png_folders(folder: Path, split: Split) -> Path:
    """One folder of PNGs a label, grey or in colour."""
    for place, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
        path = folder / str(label) / f"{place:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(path)
    return folder


def imported(place: Path, out: Path, **options: Any) -> ImportReport:
    """Import ``place`` into the folder ``out``."""
    config = DataConfig(source=str(place), **options)
    return run.run(Source(place, config.max_bytes).layout, "own", config, out, silent)


def raw_of(folder: Path, files: Mapping[str, bytes]) -> Path:
    """``data/raw`` of a source of IDX files."""
    folder.mkdir(parents=True, exist_ok=True)
    here = Path(tempfile.mkdtemp(dir=folder))
    imported(write_files(here / "source", files), here / "raw")
    return here / "raw"


def dvc_project(folder: Path) -> Project:
    """A checkout of its own, outside git: this code, these stages, nothing fetched, nothing pinned."""
    ignored = shutil.ignore_patterns("*.pyc.*", "weights")
    shutil.copytree(ROOT / "ganlib", folder / "ganlib", ignore=ignored)
    compileall.compile_dir(folder / "ganlib", quiet=1)  # or else each stage compiles what it imports
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
