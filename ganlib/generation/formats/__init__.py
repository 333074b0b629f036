"""How shards are kept: a file a format."""

from __future__ import annotations

import importlib
import importlib.metadata
from functools import cache

from ganlib.errors import unknown
from ganlib.generation.formats.base import Format
from ganlib.generation.manifest import FORMATS, FileFormat


@cache
def load(name: FileFormat) -> Format:
    """The format called ``name``."""
    made: Format = importlib.import_module(f"{__name__}.{name}").FORMAT
    return made


def require(name: str) -> FileFormat:
    """``name``, if it is a format.

    Raises:
        BadInput: it is not; the nearest one is offered.
    """
    for known in FORMATS:
        if name == known:
            return known
    raise unknown("format", name, FORMATS)


def versions(name: FileFormat, record: int) -> dict[str, str]:
    """Versions of what decides the bytes of a shard, in a job whose manifest has format ``record``."""
    found = {package: importlib.metadata.version(package) for package in ("numpy", "onnxruntime")}
    return {**found, **load(name).versions(record)}
