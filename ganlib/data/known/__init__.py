"""Data sets known by name. One is a file here that names its :class:`KnownDataset` ``DATASET``.

MNIST, which is older than this, has a room of its own: :mod:`ganlib.data.mnist`.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from ganlib.core.errors import unknown
from ganlib.data.mnist.dataset import CREDIT
from ganlib.data.sources.dataset import KnownDataset

MNIST = "mnist"


def names() -> list[str]:
    """Return the names of all known data sets, MNIST first. Imports none of them."""
    return [MNIST, *sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))]


def credit(name: str) -> str:
    """Return whose work the data set of that name is, with its licence; empty of a place, such as a user's folder."""
    if name == MNIST:
        return CREDIT
    return load(name).credit if name in names() else ""


def load(name: str) -> KnownDataset:
    """Return the data set of that name, which is not MNIST.

    Raises:
        BadInput: there is none; the nearest name is offered.
    """
    if name not in names() or name == MNIST:
        raise unknown("data set", name, names())
    dataset: KnownDataset = import_module(f"{__name__}.{name.replace('-', '_')}").DATASET
    return dataset
