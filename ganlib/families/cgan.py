"""CGAN: DCGAN told the digit, which the discriminator takes by projection (Mirza 2014; Miyato 2018)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.families.parts.adversarial import LabelConditional
from ganlib.families.parts.convolutional import ConvolutionalOptions
from ganlib.nets.conv import ConvDiscriminator, ConvGenerator
from ganlib.nets.label import DIGITS, Labelled
from ganlib.objectives.losses import BCE


class Cgan(LabelConditional):
    """See the module."""

    Options: ClassVar[type[ConvolutionalOptions]] = ConvolutionalOptions

    def __init__(self, options: ConvolutionalOptions) -> None:
        """Build both nets."""
        generator = ConvGenerator(options.latent_dim, options.channels, DIGITS)
        discriminator = ConvDiscriminator(options.channels, DIGITS, normalise=options.normalise)
        super().__init__(options, Labelled(generator), Labelled(discriminator), BCE, discriminator.separable)


family = Cgan
