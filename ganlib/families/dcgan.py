"""DCGAN: convolutional generator and discriminator, non-saturating loss (Radford 2016)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.families.parts.convolutional import Convolutional, QuickOptions
from ganlib.objectives.losses import BCE


class DcganOptions(QuickOptions):
    """What comes to a low FID in the fewest seconds (docs/families/dcgan.md)."""

    latent_categories: int = 16


class Dcgan(Convolutional):
    """See the module."""

    Options: ClassVar[type[QuickOptions]] = DcganOptions
    loss = BCE


family = Dcgan
