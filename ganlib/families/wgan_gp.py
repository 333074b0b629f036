"""WGAN-GP: the Wasserstein loss with a gradient penalty between real and generated images (Gulrajani 2017)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.families.parts.base import OptimizerOptions
from ganlib.families.parts.convolutional import Convolutional, ConvolutionalOptions
from ganlib.objectives.losses import WASSERSTEIN


class WganGpOptions(ConvolutionalOptions):
    """Defaults; docs/families/wgan_gp.md says how far they were searched."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=1e-3, betas=(0.0, 0.9))
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=1e-3, betas=(0.0, 0.9))
    n_critic: int = 2
    gp_lambda: float = 1.0
    penalty_every: int = 2
    r1_gamma: float = 0.0


class WganGp(Convolutional):
    """See the module."""

    Options: ClassVar[type[WganGpOptions]] = WganGpOptions
    loss = WASSERSTEIN


family = WganGp
