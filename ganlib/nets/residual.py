"""Residual nets without normalisation, for a loss that is stable by itself (Huang 2024, R3GAN, section 4).

Both players hold c channels at 28 x 28, 2c at 14 x 14 and 4c at 7 x 7, with ``blocks`` residual blocks each. No
convolution has a bias: the bias belongs to the activation. Against the paper's nets the blocks are not inverted
bottlenecks, because at 28 x 28 a CPU is bound by the traffic of activations, and the width doubled only takes twice as
long. An image costs about 17,100 c^2 * blocks + 800 c^2 + 7,100 c multiply-adds forward in each net: 4.7 M for c = 16.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SLOPE = 0.2
_GAIN = math.sqrt(2 / (1 + _SLOPE**2))
"""Keeps the variance through a leaky ReLU (He 2015)."""


class ResidualGenerator(nn.Module):
    """Latent vector to image: ``[batch, 4c, 7, 7]`` -> ``[batch, 2c, 14, 14]`` -> ``[batch, c, 28, 28]`` -> image."""

    def __init__(self, latent_dim: int, channels: int, *, blocks: int = 1) -> None:
        """``channels`` is the width c at 28 x 28; ``blocks`` are in each of the three stages."""
        super().__init__()
        c, total = channels, 3 * blocks
        self.project = _scaled(nn.Linear(latent_dim, 4 * c * 49, bias=False))
        self.grow = nn.Sequential(
            *_stage(4 * c, c, blocks, total),
            _scaled(nn.Conv2d(4 * c, 2 * c, 1, bias=False)),
            _Bilinear(),
            *_stage(2 * c, c, blocks, total),
            _scaled(nn.Conv2d(2 * c, c, 1, bias=False)),
            _Bilinear(),
            *_stage(c, c, blocks, total),
            _scaled(nn.Conv2d(c, 1, 3, padding=1, bias=False)),
            nn.Tanh(),
        )

    def forward(self, noise: Tensor) -> Tensor:
        """Float [batch, latent_dim] to float [batch, 1, 28, 28] in [-1, 1]."""
        image: Tensor = self.grow(self.project(noise).view(noise.shape[0], -1, 7, 7))
        return image


class ResidualDiscriminator(nn.Module):
    """Image to one logit: the generator mirrored."""

    def __init__(self, channels: int, *, blocks: int = 1) -> None:
        """See :class:`ResidualGenerator`."""
        super().__init__()
        c, total = channels, 3 * blocks
        self.layers = nn.Sequential(
            _scaled(nn.Conv2d(1, c, 3, padding=1, bias=False)),
            *_stage(c, c, blocks, total),
            nn.AvgPool2d(2),  # which is what bilinear interpolation to one half does
            _scaled(nn.Conv2d(c, 2 * c, 1, bias=False)),
            *_stage(2 * c, c, blocks, total),
            nn.AvgPool2d(2),
            _scaled(nn.Conv2d(2 * c, 4 * c, 1, bias=False)),
            *_stage(4 * c, c, blocks, total),
            nn.Flatten(),
            _scaled(nn.Linear(4 * c * 49, 1, bias=False)),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Float [batch, 1, 28, 28] in [-1, 1] to logits, float [batch]."""
        logits: Tensor = self.layers(images)
        return logits.squeeze(1)


class ResidualBlock(nn.Module):
    """``x + f(x)`` with f a 1 x 1, a grouped 3 x 3 and a 1 x 1 convolution, leaky ReLU between them.

    Fix-up initialisation (Zhang 2019b): the last convolution is zero, so a new net is the shallow one without its
    blocks; the others are smaller the more blocks there are, and variances neither grow nor vanish with depth.
    """

    def __init__(self, width: int, group: int, total: int) -> None:
        """``group`` channels share a group, and ``width`` is a multiple of it; ``total`` blocks are in the net."""
        super().__init__()
        gain = _GAIN * total ** (-1 / 4)
        self.enter = _scaled(nn.Conv2d(width, width, 1, bias=False), gain)
        self.mix = _scaled(nn.Conv2d(width, width, 3, padding=1, groups=width // group, bias=False), gain)
        self.leave = _scaled(nn.Conv2d(width, width, 1, bias=False), 0.0)
        self.biases = nn.Parameter(torch.zeros(2, width, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Float [batch, width, h, w] to the same shape."""
        inner = F.leaky_relu(self.enter(features) + self.biases[0], _SLOPE)
        inner = F.leaky_relu(self.mix(inner) + self.biases[1], _SLOPE)
        result: Tensor = features + self.leave(inner)
        return result


class _Bilinear(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)


def _stage(width: int, group: int, blocks: int, total: int) -> list[ResidualBlock]:
    return [ResidualBlock(width, group, total) for _ in range(blocks)]


def _scaled(layer: nn.Linear | nn.Conv2d, gain: float = 1.0) -> nn.Module:
    """``layer`` with weights from N(0, gain^2 / fan_in)."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    return layer
