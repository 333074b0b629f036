"""Pictures of every kind, written as their makers do."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganlib.data.importing.layout import Source
from ganlib.data.importing.picture import Layout


def noise(size: tuple[int, int] = (32, 32), mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A smooth random picture, so that lossy formats keep most of it."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, bands), dtype=np.uint8)
    image = Image.fromarray(small.squeeze(), mode if mode in ("L", "LA", "RGB", "RGBA", "CMYK") else None)
    return image.resize(size, Image.Resampling.BICUBIC)


def save(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    """Write ``image`` (or noise that the path's name decides) to ``path``, in folders that are made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(path.name.encode())
    (image or noise(seed=seed)).save(path, **options)
    return path


def class_folders(folder: Path, names: Iterable[str], each: int = 6, **options: Any) -> Path:
    """A folder a class with ``each`` pictures, no two the same."""
    for number, name in enumerate(names):
        for place in range(each):
            save(folder / name / f"{place:03d}.png", noise(seed=1000 * number + place, **options))
    return folder


def layout(place: Path) -> Layout:
    """The layout of ``place``."""
    return Source(place, 10**9).layout


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """``image`` as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
