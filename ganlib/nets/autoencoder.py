"""An encoder and a decoder as one net that draws images when it is given noise."""

from __future__ import annotations

from torch import Tensor, nn

from ganlib.data.spec import ImageShape
from ganlib.nets.conv import ConvTrunk, initialise


class Autoencoder(nn.Module):
    """Called, it draws: noise through ``bottleneck`` to a code, and the code through ``decoder`` to an image."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, bottleneck: nn.Module | None = None) -> None:
        """``bottleneck`` maps noise to codes as the training data has them; None: noise is a code."""
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.bottleneck = bottleneck or nn.Identity()

    def forward(self, noise: Tensor, *condition: Tensor) -> Tensor:
        """Float [batch, noise_dim], and the condition if there is one, to images [batch, channels, height, width]."""
        images: Tensor = self.decoder(self.bottleneck(noise), *condition)
        return images


class ConvEncoder(nn.Module):
    """Image to a vector by :class:`ganlib.nets.conv.ConvTrunk` and one dense layer."""

    def __init__(self, shape: ImageShape, channels: int, outputs: int) -> None:
        """``channels`` is the trunk's width."""
        super().__init__()
        self.trunk = ConvTrunk(shape, channels)
        self.head = nn.Linear(self.trunk.features, outputs)
        self.apply(initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Float [batch, channels, height, width] to float [batch, outputs]."""
        out: Tensor = self.head(self.trunk(images))
        return out
