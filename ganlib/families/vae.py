"""VAE: evidence lower bound with the decoder's variance at its optimum (Kingma 2014; Rybkin 2021)."""

from __future__ import annotations

from typing import ClassVar

from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.autoencoding import Variational, VariationalOptions
from ganlib.nets.autoencoder import Autoencoder, ConvEncoder
from ganlib.nets.conv import ConvGenerator


class VaeOptions(VariationalOptions):
    """Fewer dimensions than its relatives have (docs/families/vae.md)."""

    latent_dim: int = 7


class Vae(Variational):
    """See the module."""

    Options: ClassVar[type[VaeOptions]] = VaeOptions

    def __init__(self, options: VaeOptions, spec: DatasetSpec) -> None:
        """Build both nets."""
        encoder = ConvEncoder(spec.image, options.channels, 2 * options.latent_dim)
        decoder = ConvGenerator(spec.image, options.latent_dim, options.channels)
        super().__init__(options, spec, Autoencoder(encoder, decoder))


family = Vae
