"""CVAE: a VAE whose encoder and decoder are told the digit (Sohn 2015)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.families.parts.autoencoding import Variational, VariationalOptions
from ganlib.nets.autoencoder import Autoencoder, ConvEncoder
from ganlib.nets.conv import ConvGenerator
from ganlib.nets.label import DIGITS, OwnInput, OwnOutput


class Cvae(Variational):
    """Each digit has its own way into the code and out of it, and all share the convolutions.

    If the label is one more input of shared dense layers, the code goes on saying which digit it is, and samples of the
    prior contradict the label (docs/families/cvae.md).
    """

    Options: ClassVar[type[VariationalOptions]] = VariationalOptions
    condition = "label"

    def __init__(self, options: VariationalOptions) -> None:
        """Build both nets."""
        encoder = ConvEncoder(options.channels, 2 * options.latent_dim * DIGITS)
        decoder = ConvGenerator(options.latent_dim * DIGITS, options.channels, DIGITS)
        super().__init__(options, Autoencoder(OwnOutput(encoder), OwnInput(decoder)))


family = Cvae
