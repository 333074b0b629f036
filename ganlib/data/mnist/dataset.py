"""What MNIST is."""

from __future__ import annotations

from ganlib.data.spec import DatasetSpec, ImageShape

MNIST = DatasetSpec(
    name="mnist",
    image=ImageShape(channels=1, height=28, width=28),
    class_names=tuple("0123456789"),
    captions="mnist-digits",
)
