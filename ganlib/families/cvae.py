"""CVAE: a VAE whose encoder and decoder are told the class (Sohn 2015)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.autoencoding import Variational, VariationalOptions
from ganlib.nets.autoencoder import Autoencoder, ConvEncoder
from ganlib.nets.conv import ConvGenerator
from ganlib.nets.label import OwnInput, OwnOutput, condition_width, latent_width


class Cvae(Variational):
    """Each class has its own way into the code and out of it, and all share the convolutions.

    If the label is one more input of shared dense layers, the code goes on saying which class it is, and samples of the
    prior contradict the label (docs/families/cvae.md).
    """

    Options: ClassVar[type[VariationalOptions]] = VariationalOptions
    condition = "label"

    def __init__(self, options: VariationalOptions, spec: DatasetSpec) -> None:
        """Build both nets."""
        classes, latent = spec.num_classes, options.latent_dim
        encoder = ConvEncoder(spec.image, options.channels, latent_width(2 * latent, classes))
        decoder = ConvGenerator(spec.image, latent_width(latent, classes), options.channels, condition_width(classes))
        net = Autoencoder(OwnOutput(encoder, 2 * latent, classes), OwnInput(decoder, latent, classes))
        super().__init__(options, spec, net)


family = Cvae
