"""DCGAN: convolutional generator and discriminator, non-saturating loss (Radford 2016)."""

from __future__ import annotations

from ganlib.families.parts.convolutional import Convolutional
from ganlib.objectives.losses import BCE


class Dcgan(Convolutional):
    """See the module."""

    loss = BCE


family = Dcgan
