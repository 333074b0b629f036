"""VAE: evidence lower bound with the decoder's variance at its optimum (Kingma 2014; Rybkin 2021)."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from ganlib.families.autoencoding import Autoencoding, AutoencodingOptions
from ganlib.nets.conv import ConvGenerator, ConvTrunk


class VaeOptions(AutoencodingOptions):
    """Defaults that measured best (docs/families/vae.md)."""

    latent_dim: int = 16
    channels: int = 32
    batch_size: int = 128


class Vae(Autoencoding):
    """See the module."""

    Options: ClassVar[type[VaeOptions]] = VaeOptions

    def __init__(self, options: VaeOptions) -> None:
        """Build both nets."""
        trunk = ConvTrunk(options.channels)
        super().__init__(
            options,
            nn.Sequential(trunk, nn.Linear(trunk.features, 2 * options.latent_dim)),
            ConvGenerator(options.latent_dim, options.channels),
        )


family = Vae
