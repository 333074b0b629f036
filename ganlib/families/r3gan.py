"""R3GAN: relativistic pairs, R1 and R2, residual nets without normalisation (Huang 2024)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.families.adversarial import Adversarial, AdversarialOptions
from ganlib.families.base import OptimizerOptions
from ganlib.nets.residual import ResidualDiscriminator, ResidualGenerator
from ganlib.objectives.losses import RELATIVISTIC


class R3ganOptions(AdversarialOptions):
    """Defaults that measured best (docs/families/r3gan.md)."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=1e-3, betas=(0.0, 0.99))
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=1e-3, betas=(0.0, 0.99))
    batch_size: int = 32
    latent_dim: int = 32
    channels: int = 16
    r1_gamma: float = 0.1
    r2_gamma: float = 0.1
    penalty_every: int = 8


class R3gan(Adversarial):
    """See the module."""

    Options: ClassVar[type[R3ganOptions]] = R3ganOptions

    def __init__(self, options: R3ganOptions) -> None:
        """Build both nets."""
        super().__init__(
            options,
            ResidualGenerator(options.latent_dim, options.channels),
            ResidualDiscriminator(options.channels),
            RELATIVISTIC,
        )


family = R3gan
