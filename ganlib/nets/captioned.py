"""A generator that is given a caption, and the condition that its painter and the discriminator share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganlib.nets.conv import ConvGenerator
from ganlib.nets.label import DIGITS
from ganlib.nets.text import CaptionEncoder, WishSampler, decide

ATTRIBUTES = 3
"""Thickness, slant, size."""
CONDITION = DIGITS + 2 * ATTRIBUTES


def condition(digits: Tensor, ranks: Tensor) -> Tensor:
    """What the painter and the discriminator see of a wish, float [batch, CONDITION].

    The digit as a one-hot vector, and each rank, scaled to a variance of one, with its square: a discriminator that is
    linear in the condition can then tell the middle from both ends.

    Args:
        digits: int64 [batch].
        ranks: float [batch, 3] in (0, 1).
    """
    centred = (ranks - 0.5) * math.sqrt(12)
    return torch.cat([F.one_hot(digits, DIGITS).to(ranks.dtype), centred, centred.square() - 1], dim=1)


class CaptionedGenerator(nn.Module):
    """Caption to wish, wish and noise to ranks, digit and ranks and noise to image."""

    def __init__(self, latent_dim: int, channels: int) -> None:
        """As :class:`ganlib.nets.conv.ConvGenerator`, which paints."""
        super().__init__()
        self.encoder = CaptionEncoder()
        self.sampler = WishSampler()
        self.painter = ConvGenerator(latent_dim, channels, CONDITION)

    def forward(self, noise: Tensor, caption: Tensor) -> Tensor:
        """Float [batch, 3 + latent_dim] and int64 [batch, 64] to float [batch, 1, 28, 28] in [-1, 1]."""
        wishes = self.read(caption)
        ranks = self.sampler(noise[:, :ATTRIBUTES], wishes)
        images: Tensor = self.painter(noise[:, ATTRIBUTES:], condition(wishes[:, 0], ranks))
        return images

    def read(self, caption: Tensor) -> Tensor:
        """The wish in each caption, int64 [batch, 4]; see :func:`ganlib.nets.text.decide`."""
        return decide(self.encoder(caption))
