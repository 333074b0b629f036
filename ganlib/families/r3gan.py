"""R3GAN: relativistic pairs of a real and a generated image, with R1 and R2, on DCGAN's nets (Huang 2024)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.families.parts.base import OptimizerOptions
from ganlib.families.parts.convolutional import Convolutional, ConvolutionalOptions
from ganlib.objectives.losses import RELATIVISTIC


class R3ganOptions(ConvolutionalOptions):
    """Light penalties and no momentum learn fastest (docs/families/r3gan.md)."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=2e-3, betas=(0.0, 0.99))
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=2e-3, betas=(0.0, 0.99))
    r1_gamma: float = 0.02
    r2_gamma: float = 0.02


class R3gan(Convolutional):
    """See the module."""

    Options: ClassVar[type[R3ganOptions]] = R3ganOptions
    loss = RELATIVISTIC


family = R3gan
