"""CVAE: a VAE whose encoder and decoder are told the digit (Sohn 2015)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.families.autoencoding import Variational, VariationalOptions
from ganlib.nets.autoencoder import Autoencoder, ConvEncoder
from ganlib.nets.conv import ConvGenerator
from ganlib.nets.label import DIGITS, Labelled


class Cvae(Variational):
    """See the module."""

    Options: ClassVar[type[VariationalOptions]] = VariationalOptions
    condition = "label"

    def __init__(self, options: VariationalOptions) -> None:
        """Build both nets."""
        encoder = ConvEncoder(options.channels, 2 * options.latent_dim, DIGITS)
        decoder = ConvGenerator(options.latent_dim, options.channels, DIGITS)
        super().__init__(options, Autoencoder(Labelled(encoder), Labelled(decoder)))


family = Cvae
