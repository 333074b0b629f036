"""The zoo. A family is one file here that names its class ``family``, and a row in params.yaml.

The files ``base``, ``adversarial`` and ``autoencoding`` hold what families are composed from.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ganlib.config import parse
from ganlib.errors import unknown

if TYPE_CHECKING:
    from ganlib.families.base import Family, Options

_PARTS = {"base", "adversarial", "autoencoding"}


def names() -> list[str]:
    """Names of all families, sorted. Imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _PARTS)


def require(name: str) -> str:
    """``name`` itself if it is a family's.

    Raises:
        BadInput: it is not; the nearest name is offered.
    """
    if name not in names():
        raise unknown("family", name, names())
    return name


def module(name: str) -> ModuleType:
    """The file of family ``name``, imported."""
    return import_module(f"ganlib.families.{require(name)}")


def load(name: str) -> type[Family]:
    """The class of family ``name``."""
    return module(name).family  # type: ignore[no-any-return]


def options(name: str, row: Mapping[str, Any]) -> Options:
    """The options of family ``name``: its defaults with ``row`` (of params.yaml) laid over them.

    Raises:
        BadInput: an unknown option or a value that does not fit.
    """
    return parse(load(name).Options, row, where=f"families.{name}")
