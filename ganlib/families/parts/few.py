"""What a discriminator is given against learning few images by heart: DiffAugment, and a stronger R1 penalty.

A discriminator that sees every image often tells them from new ones instead of real from generated, and the generator
then copies or collapses (Karras 2020, "Training GANs with limited data", figure 1, from 50,000 images down). Showing
it only augmented images, real and generated ones alike, helps most where images are fewest (Zhao 2020, "Differentiable
augmentation", tables 3 and 5: 100 images to a tenth of CIFAR), and costs a little where they are many.
"""

from __future__ import annotations

from ganlib.core.record import Record
from ganlib.data.spec import ImageShape

MANY = 20_000
"""From so many training images on nothing is changed."""
FEW = 2000
"""Below so many, grey images are moved, too, and R1 weighs more."""


class Remedy(Record):
    """Options for a number of images."""

    diffaugment_shift: int
    """Pixels."""
    diffaugment_cut: int
    """Pixels."""
    diffaugment_colour: bool
    r1_scale: float


def for_few(images: int, shape: ImageShape) -> Remedy:
    """Return what a discriminator is given that is trained on ``images`` images.

    Below :data:`MANY` images in colour get Zhao's policy: translation by an eighth of the side, a cutout of half of it,
    and colour. In grey ones the cutout takes strokes away, and translation helps below :data:`FEW` only (measured:
    docs/few-images.md). Below :data:`FEW` R1 also weighs more.
    """
    if images >= MANY:
        return Remedy(diffaugment_shift=0, diffaugment_cut=0, diffaugment_colour=False, r1_scale=1.0)
    coloured = shape.channels > 1
    return Remedy(
        diffaugment_shift=shape.height // 8 if coloured or images < FEW else 0,
        diffaugment_cut=shape.height // 2 if coloured else 0,
        diffaugment_colour=coloured,
        r1_scale=4.0 if images < FEW else 1.0,
    )
