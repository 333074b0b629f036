"""The convolutional nets of a third of the zoo, in one place: a family chooses the loss and the options."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, PositiveInt
from torch import nn

from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.adversarial import Adversarial, AdversarialOptions
from ganlib.families.parts.base import OptimizerOptions
from ganlib.nets.category import CategoricalInput
from ganlib.nets.conv import ConvDiscriminator, ConvGenerator
from ganlib.objectives.losses import AdversarialLoss


class ConvolutionalOptions(AdversarialOptions):
    """Options that measured best with the non-saturating loss (docs/families/dcgan.md)."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=2e-3)
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=2e-3)
    batch_size: int = 32
    latent_dim: int = 32
    channels: int = 32
    generator_channels: PositiveInt | None = Field(
        None, description="width of the generator alone, as of a student; null: as `channels` says"
    )
    latent_categories: int = Field(
        0,
        ge=0,
        le=1024,
        description="of which the noise chooses one, for images of several kinds; 0: none (Chen 2016)",
    )
    normalise: bool = Field(False, description="BatchNorm in the discriminator, as in the DCGAN paper")
    r1_gamma: float = 0.05
    penalty_every: int = 8

    def drawing(self, spec: DatasetSpec, condition: int = 0) -> nn.Module:
        """The generator, which takes a condition of that width beside the noise."""
        width, categories = self.generator_channels or self.channels, self.latent_categories
        net = ConvGenerator(spec.image, self.latent_dim, width, condition + categories)
        return CategoricalInput(net, categories) if categories else net


class QuickOptions(ConvolutionalOptions):
    """Of the families that come to a low FID in the fewest seconds: no momentum, learning rates that fall, and a
    discriminator of half the generator's width (docs/families/dcgan.md)."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=4e-3, betas=(0.0, 0.99), timescale=32_000)
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=4e-3, betas=(0.0, 0.99), timescale=32_000)
    channels: int = 16
    generator_channels: PositiveInt | None = 32


class Convolutional(Adversarial):
    """DCGAN's nets under the loss of the subclass."""

    Options: ClassVar[type[ConvolutionalOptions]] = ConvolutionalOptions
    loss: ClassVar[AdversarialLoss]

    def __init__(self, options: ConvolutionalOptions, spec: DatasetSpec) -> None:
        """Build both nets."""
        generator = options.drawing(spec)
        discriminator = ConvDiscriminator(spec.image, options.channels, normalise=options.normalise)
        super().__init__(options, spec, generator, discriminator, self.loss, discriminator.separable)
