"""What a data set holds: the one record that nets, graphs, batches and pages are built from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from ganlib.core.errors import BadInput, unknown
from ganlib.core.record import Record

SIDES = (16, 28, 32, 64, 128)
"""Sides of an image, in pixels, that the nets can draw."""


class ImageShape(Record):
    """Channels, height and width of every image of a data set."""

    channels: Literal[1, 3]
    """1: grey levels, 3: red, green, blue."""
    height: PositiveInt
    width: PositiveInt

    @property
    def dims(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.channels, self.height, self.width

    @property
    def nbytes(self) -> int:
        """Bytes of an image, a byte a channel and pixel."""
        return self.channels * self.height * self.width

    def __str__(self) -> str:
        """As in ``3x32x32``."""
        return "x".join(map(str, self.dims))


class DatasetSpec(Record):
    """What a prepared data set holds. `prepare` writes it; everything above reads it, or the ONNX file's copy of it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,47}$")
    """Of the data set, as in the names of its models: lower-case letters, digits, dots and dashes."""
    image: ImageShape
    class_names: tuple[str, ...] = ()
    """A label is a place in this; empty: the images have no labels."""
    captions: Literal["mnist-digits", "table"] | None = None
    """What describes the images in words: MNIST's own grammar, or a caption an image from the source."""

    @field_validator("class_names")
    @classmethod
    def _no_name_twice(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("a class name occurs twice")
        return names

    @property
    def num_classes(self) -> int:
        """How many classes there are; 0 where the images have no labels."""
        return len(self.class_names)

    def label(self, class_name: str) -> int:
        """The label of the class with that name.

        Raises:
            BadInput: there is none; the nearest name is offered.
        """
        if not self.class_names:
            raise BadInput(f"{self.name} has no classes, so there is no {class_name!r}.")
        if class_name not in self.class_names:
            raise unknown("class", class_name, self.class_names)
        return self.class_names.index(class_name)
