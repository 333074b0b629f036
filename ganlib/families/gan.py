"""GAN: dense generator and discriminator, non-saturating loss (Goodfellow 2014)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.adversarial import Adversarial, AdversarialOptions
from ganlib.families.parts.base import OptimizerOptions
from ganlib.nets.mlp import MlpDiscriminator, MlpGenerator
from ganlib.objectives.losses import BCE


class GanOptions(AdversarialOptions):
    """The discriminator is held back by R1: without it, it wins within an epoch (docs/families/gan.md)."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=1e-3)
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=1e-3)
    latent_dim: int = 100
    r1_gamma: float = 1.0
    penalty_every: int = 4
    channels: int = Field(256, description="width of the generator's first hidden layer")
    dropout: float = Field(0.1, ge=0, lt=1, description="in the discriminator")


class Gan(Adversarial):
    """See the module."""

    Options: ClassVar[type[GanOptions]] = GanOptions

    def __init__(self, options: GanOptions, spec: DatasetSpec) -> None:
        """Build both nets."""
        super().__init__(
            options,
            spec,
            MlpGenerator(spec.image, options.latent_dim, options.channels),
            MlpDiscriminator(spec.image, options.channels, options.dropout),
            BCE,
        )


family = Gan
