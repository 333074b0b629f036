"""What became of a source: ``data/raw/import.json``, and nothing of the machine."""

from __future__ import annotations

from ganlib.core.record import Record
from ganlib.data.spec import DatasetSpec


class Aside(Record):
    """A picture that was not taken."""

    name: str
    reason: str


class PictureSizes(Record):
    """Sizes of the pictures that a source holds, before they were fitted."""

    smallest: str
    """Width x height of the picture with the shortest side."""
    median_side: int
    """Of the smaller sides, in pixels."""
    largest: str
    different: int
    """How many sizes there are."""
    common: dict[str, int]
    """The most frequent ones -> number of pictures."""


class AppliedRules(Record):
    """How pictures were turned into arrays."""

    size: int
    channels: int
    fit: str
    background: tuple[int, int, int]
    white: int
    """The value of pictures of more than 8 bits that became 255."""


class ImportReport(Record):
    """What became of a source."""

    layout: str
    spec: DatasetSpec
    images: int
    classes: dict[str, int]
    """Class name -> images, in the order of labels; empty where there are no labels."""
    given: dict[str, int]
    """Images that the source itself gives to ``train`` and ``test``; empty where it does not say."""
    sizes: PictureSizes
    modes: dict[str, int]
    """Pillow's name for a kind of pixels -> pictures."""
    rules: AppliedRules
    set_aside: int
    """Pictures that could not be read."""
    first_set_aside: tuple[Aside, ...]
    not_used: str | None
    """What else lies in the source, in words."""
    notes: tuple[str, ...]
    """What a person should know before training on this."""
    files: dict[str, str]
    """File beside this one -> sha256."""
