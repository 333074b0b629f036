"""LSGAN: the least-squares loss on DCGAN's nets (Mao 2017)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.families.parts.base import OptimizerOptions
from ganlib.families.parts.convolutional import Convolutional, ConvolutionalOptions
from ganlib.objectives.losses import LEAST_SQUARES


class LsganOptions(ConvolutionalOptions):
    """At dcgan's learning rates and penalty it learns as fast, and collapses later (docs/families/lsgan.md)."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=1e-3)
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=1e-3)
    r1_gamma: float = 0.1


class Lsgan(Convolutional):
    """See the module."""

    Options: ClassVar[type[LsganOptions]] = LsganOptions
    loss = LEAST_SQUARES


family = Lsgan
