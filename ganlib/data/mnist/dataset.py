"""What MNIST is."""

from __future__ import annotations

from ganlib.data.spec import DatasetSpec, ImageShape

CREDIT = (
    "MNIST: copyright Yann LeCun and Corinna Cortes, derived from NIST's databases; usually stated to be under CC BY-SA"
    " 3.0 (https://creativecommons.org/licenses/by-sa/3.0/)."
)
"""Whose work it is, and its licence."""

MNIST = DatasetSpec(
    name="mnist",
    image=ImageShape(channels=1, height=28, width=28),
    class_names=tuple("0123456789"),
    captions="mnist-digits",
)
