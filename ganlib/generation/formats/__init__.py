"""How shards are kept: a file a format. Such a file names its format ``FORMAT``."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import platform
from functools import cache

from ganlib.core.errors import unknown
from ganlib.generation.formats.base import Format


def names() -> list[str]:
    """Return the names of all formats, sorted. Imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")


@cache
def load(name: str) -> Format:
    """Return the format called ``name``."""
    form: Format = importlib.import_module(f"{__name__}.{name}").FORMAT
    return form


def require(name: str) -> str:
    """Return ``name``, if it is a format.

    Raises:
        BadInput: it is not; the nearest one is offered.
    """
    if name not in names():
        raise unknown("format", name, names())
    return name


def versions(name: str) -> dict[str, str]:
    """Return what decides the bytes of a shard of format ``name``: packages' versions, and the processor's kind.

    The same model, seed and onnxruntime give images on x86-64 and on ARM of which some pixels differ by one level.
    """
    versions = {package: importlib.metadata.version(package) for package in ("numpy", "onnxruntime")}
    return {"architecture": platform.machine(), **versions, **load(name).versions()}
