"""LSGAN: the least-squares loss on DCGAN's nets (Mao 2017)."""

from __future__ import annotations

from ganlib.families.convolutional import Convolutional
from ganlib.objectives.losses import LEAST_SQUARES


class Lsgan(Convolutional):
    """See the module."""

    loss = LEAST_SQUARES


family = Lsgan
