"""WGAN: the Wasserstein loss with clipped weights (Arjovsky 2017)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.families.parts.base import OptimizerOptions
from ganlib.families.parts.convolutional import Convolutional, ConvolutionalOptions
from ganlib.objectives.losses import WASSERSTEIN


class WganOptions(ConvolutionalOptions):
    """A wide clip, fast, one critic step for each of the generator's (docs/families/wgan.md)."""

    generator: OptimizerOptions = OptimizerOptions(name="rmsprop", learning_rate=1e-3)
    discriminator: OptimizerOptions = OptimizerOptions(name="rmsprop", learning_rate=1e-3)
    clip: float = 0.1
    normalise: bool = True
    r1_gamma: float = 0.0


class Wgan(Convolutional):
    """See the module."""

    Options: ClassVar[type[WganOptions]] = WganOptions
    loss = WASSERSTEIN


family = Wgan
