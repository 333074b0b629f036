"""WGAN: the Wasserstein loss with clipped weights (Arjovsky 2017)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.families.base import OptimizerOptions
from ganlib.families.convolutional import Convolutional, ConvolutionalOptions
from ganlib.objectives.losses import WASSERSTEIN


class WganOptions(ConvolutionalOptions):
    """Defaults; docs/families/README.md says how far they were searched."""

    generator: OptimizerOptions = OptimizerOptions(name="rmsprop", learning_rate=5e-4)
    discriminator: OptimizerOptions = OptimizerOptions(name="rmsprop", learning_rate=5e-4)
    n_critic: int = 3
    clip: float = 0.03
    normalise: bool = True
    r1_gamma: float = 0.0


class Wgan(Convolutional):
    """See the module."""

    Options: ClassVar[type[WganOptions]] = WganOptions
    loss = WASSERSTEIN


family = Wgan
