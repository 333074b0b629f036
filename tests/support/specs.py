"""Data sets that nobody has, of each kind that a model can be of."""

from __future__ import annotations

from ganlib.data.spec import DatasetSpec, ImageShape

SHOP = DatasetSpec(
    name="shop", image=ImageShape(channels=3, height=32, width=32), class_names=("hat", "shoe", "Wellington boot, 裏")
)
"""Colour, with named classes: a space, a comma and a letter that is not Latin in one of them."""
LETTERS = DatasetSpec(
    name="letters", image=ImageShape(channels=1, height=28, width=28), class_names=tuple("abcdefghij")
)
"""As MNIST is, and yet another."""
CELLS = DatasetSpec(name="cells", image=ImageShape(channels=3, height=64, width=64))
"""No labels."""
ICONS = DatasetSpec(name="icons", image=ImageShape(channels=3, height=16, width=16), captions="table")
"""Captions of its own."""
CAPTIONS = ("face with tears", "a red heart", "日本の旗")
