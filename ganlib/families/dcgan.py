"""DCGAN: convolutional generator and discriminator, non-saturating loss (Radford 2016)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import PositiveInt

from ganlib.families.parts.base import OptimizerOptions
from ganlib.families.parts.convolutional import Convolutional, ConvolutionalOptions
from ganlib.objectives.losses import BCE


class DcganOptions(ConvolutionalOptions):
    """What comes to a low FID in the fewest seconds (docs/families/dcgan.md)."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=2e-3, betas=(0.0, 0.99))
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=2e-3, betas=(0.0, 0.99))
    channels: int = 16
    generator_channels: PositiveInt | None = 32
    latent_categories: int = 16


class Dcgan(Convolutional):
    """See the module."""

    Options: ClassVar[type[ConvolutionalOptions]] = DcganOptions
    loss = BCE


family = Dcgan
