"""One picture of a source, not decoded yet, and what a source as a whole says of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

GivenSplit = Literal["train", "test"]
TEST_NAMES, VALIDATION_NAMES = ("test", "testing"), ("validation", "val", "valid", "dev")
_MOST_NAMES = 12  # things that are told by name; more are counted


class Picture(NamedTuple):
    """A picture with what its source says of it."""

    name: str
    """Where it is in its source, for people: a relative path, or a place in a file."""
    content: Callable[[], BinaryIO] | np.ndarray
    """Opens its encoded bytes; or its pixels, uint8 [height, width]."""
    label: str | None = None
    caption: str | None = None
    split: GivenSplit | None = None


class Layout(NamedTuple):
    """A source that was recognised."""

    kind: str
    """What it is, for people, such as "a folder a class"."""
    pictures: Callable[[], Iterator[Picture]]
    """Starts over at each call, always in the same order."""
    total: int
    class_names: tuple[str, ...] = ()
    """In the order of labels; empty where the pictures have none."""
    files: tuple[str, ...] = ()
    """Names of the files that are used, of which the source's digest is."""
    rest: str | None = None
    """What else lies there, in words."""
    notes: tuple[str, ...] = ()
    """What a person should know of how it was understood."""


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in the order of labels: by number where all are whole numbers, else by letters."""
    distinct = set(names)
    numbers = all(name.isascii() and name.isdigit() for name in distinct)
    return tuple(sorted(distinct, key=(lambda name: (int(name), name)) if numbers else None))


def listed(names: Iterable[str]) -> str | None:
    """Return the first of ``names`` and how many more there are; None if there are none."""
    every = list(names)
    more = f" and {len(every) - _MOST_NAMES:,} more" if len(every) > _MOST_NAMES else ""
    return f"{', '.join(every[:_MOST_NAMES])}{more}" if every else None
