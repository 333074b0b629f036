"""Dense nets, for which an image is a row of numbers (Goodfellow 2014)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ganlib.core.errors import BadInput
from ganlib.data.spec import ImageShape
from ganlib.nets.ladder import undrawable


class MlpGenerator(nn.Module):
    """Latent vector to image by three hidden layers of c, 2c and 4c units with BatchNorm and LeakyReLU 0.2.

    10 c^2 + latent_dim * c + 4c for each of the image's numbers are its multiply-adds: for c = 256 1.5 million for
    MNIST's, 3.8 for 3x32x32, 13.3 for 3x64x64, 51 for 3x128x128, nearly all in the last layer's weights.
    """

    def __init__(self, shape: ImageShape, latent_dim: int, channels: int) -> None:
        """``channels`` is the width c of the first hidden layer."""
        super().__init__()
        self.dims = _dims(shape)
        layers: list[nn.Module] = []
        inward = latent_dim
        for outward in (channels, 2 * channels, 4 * channels):
            layers += [nn.Linear(inward, outward, bias=False), nn.BatchNorm1d(outward), nn.LeakyReLU(0.2)]
            inward = outward
        self.layers = nn.Sequential(*layers, nn.Linear(inward, math.prod(self.dims)), nn.Tanh())

    def forward(self, latent: Tensor) -> Tensor:
        """Float [batch, latent_dim] to float [batch, channels, height, width] in [-1, 1]."""
        image: Tensor = self.layers(latent).view(-1, *self.dims)
        return image


class MlpDiscriminator(nn.Module):
    """Image to one logit by two hidden layers of 4c and 2c units with LeakyReLU 0.2 and dropout."""

    def __init__(self, shape: ImageShape, channels: int, dropout: float) -> None:
        """``dropout`` is the share of hidden units that a training pass leaves out."""
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        inward = math.prod(_dims(shape))
        for outward in (4 * channels, 2 * channels):
            layers += [nn.Linear(inward, outward), nn.LeakyReLU(0.2), nn.Dropout(dropout)]
            inward = outward
        self.layers = nn.Sequential(*layers, nn.Linear(inward, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Float [batch, channels, height, width] in [-1, 1] to logits, float [batch]."""
        logits: Tensor = self.layers(images).squeeze(1)
        return logits


def _dims(shape: ImageShape) -> tuple[int, int, int]:
    """Return channels, height and width, if the other nets can draw such images too: sizes are not a family's."""
    if problem := undrawable(shape):
        raise BadInput(problem)
    return shape.dims
