"""CGAN: DCGAN told the class, which the discriminator takes by projection (Mirza 2014; Miyato 2018)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import PositiveInt

from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.adversarial import LabelConditional
from ganlib.families.parts.convolutional import ConvolutionalOptions, QuickOptions
from ganlib.nets.conv import ConvDiscriminator
from ganlib.nets.label import LabelledNet, condition_width
from ganlib.objectives.losses import BCE


class CganOptions(QuickOptions):
    """What comes to a low FID in the fewest seconds (docs/families/cgan.md)."""

    ema_half_life: PositiveInt = 2500


class Cgan(LabelConditional):
    """See the module."""

    Options: ClassVar[type[ConvolutionalOptions]] = CganOptions

    def __init__(self, options: ConvolutionalOptions, spec: DatasetSpec) -> None:
        """Build both nets."""
        classes, width = spec.num_classes, condition_width(spec.num_classes)
        discriminator = ConvDiscriminator(spec.image, options.channels, width, normalise=options.normalise)
        super().__init__(
            options,
            spec,
            LabelledNet(options.drawing(spec, width), classes),
            LabelledNet(discriminator, classes),
            BCE,
            discriminator.separable,
        )


family = Cgan
