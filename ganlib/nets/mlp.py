"""Dense nets for 28 x 28 images of one channel (Goodfellow 2014)."""

from __future__ import annotations

from torch import Tensor, nn

_PIXELS = 28 * 28


class MlpGenerator(nn.Module):
    """Latent vector to image by three hidden layers of c, 2c and 4c units with BatchNorm and LeakyReLU 0.2."""

    def __init__(self, latent_dim: int, channels: int) -> None:
        """``channels`` is the width c of the first hidden layer."""
        super().__init__()
        layers: list[nn.Module] = []
        inward = latent_dim
        for outward in (channels, 2 * channels, 4 * channels):
            layers += [nn.Linear(inward, outward, bias=False), nn.BatchNorm1d(outward), nn.LeakyReLU(0.2)]
            inward = outward
        self.layers = nn.Sequential(*layers, nn.Linear(inward, _PIXELS), nn.Tanh())

    def forward(self, latent: Tensor) -> Tensor:
        """Float [batch, latent_dim] to float [batch, 1, 28, 28] in [-1, 1]."""
        image: Tensor = self.layers(latent).view(-1, 1, 28, 28)
        return image


class MlpDiscriminator(nn.Module):
    """Image to one logit by two hidden layers of 4c and 2c units with LeakyReLU 0.2 and dropout."""

    def __init__(self, channels: int, dropout: float) -> None:
        """``dropout`` is the share of hidden units that a training pass leaves out."""
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        inward = _PIXELS
        for outward in (4 * channels, 2 * channels):
            layers += [nn.Linear(inward, outward), nn.LeakyReLU(0.2), nn.Dropout(dropout)]
            inward = outward
        self.layers = nn.Sequential(*layers, nn.Linear(inward, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Float [batch, 1, 28, 28] in [-1, 1] to logits, float [batch]."""
        logits: Tensor = self.layers(images).squeeze(1)
        return logits
