"""DCGAN: convolutional generator and discriminator, non-saturating loss (Radford 2016)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ganlib.families.adversarial import Adversarial, AdversarialOptions
from ganlib.families.base import OptimizerOptions
from ganlib.nets.conv import ConvDiscriminator, ConvGenerator
from ganlib.objectives import losses


class DcganOptions(AdversarialOptions):
    """Defaults that measured best (docs/families/dcgan.md)."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=2e-3)
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=2e-3)
    batch_size: int = 32
    latent_dim: int = 32
    channels: int = 32
    normalise: bool = Field(False, description="BatchNorm in the discriminator, as in the paper")
    r1_gamma: float = 0.05


class Dcgan(Adversarial):
    """See the module."""

    Options: ClassVar[type[DcganOptions]] = DcganOptions

    def __init__(self, options: DcganOptions) -> None:
        """Build both nets."""
        super().__init__(
            options,
            ConvGenerator(options.latent_dim, options.channels),
            ConvDiscriminator(options.channels, normalise=options.normalise),
            losses.bce_discriminator,
            losses.bce_generator,
        )


family = Dcgan
