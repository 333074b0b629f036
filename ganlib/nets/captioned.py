"""Generators that are given a caption, and the condition that a grammar's painter and its discriminator share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganlib.data.spec import ImageShape
from ganlib.nets.conv import ConvGenerator
from ganlib.nets.text import CaptionEmbedding, CaptionEncoder, WishSampler, decide


def wish_width(groups: Sequence[int]) -> int:
    """Return the width of :func:`condition` for a grammar with such groups of choices: classes, then attributes."""
    return groups[0] + 2 * (len(groups) - 1)


def condition(labels: Tensor, ranks: Tensor, classes: int) -> Tensor:
    """What the painter and the discriminator see of a wish, float [batch, classes + 2 * attributes].

    The class as a one-hot vector, and each rank, scaled to a variance of one, with its square: a discriminator that is
    linear in the condition can then tell the middle from both ends.

    Args:
        labels: int64 [batch].
        ranks: float [batch, attributes] in (0, 1).
        classes: how many there are.
    """
    values = (ranks - 0.5) * math.sqrt(12)
    return torch.cat([F.one_hot(labels, classes).to(ranks.dtype), values, values.square() - 1], dim=1)


class GrammarGenerator(nn.Module):
    """Caption to wish, wish and noise to ranks, class and ranks and noise to image."""

    def __init__(self, shape: ImageShape, latent_dim: int, channels: int, groups: Sequence[int]) -> None:
        """``groups`` as for :class:`ganlib.nets.text.CaptionEncoder`; the rest as for :class:`ConvGenerator`, which
        paints."""
        super().__init__()
        self.classes, self.attributes = groups[0], len(groups) - 1
        self.encoder = CaptionEncoder(groups)
        self.sampler = WishSampler()
        self.painter = ConvGenerator(shape, latent_dim, channels, wish_width(groups))

    def forward(self, noise: Tensor, caption: Tensor) -> Tensor:
        """Float [batch, attributes + latent_dim] and int64 [batch, 64] to float [batch, channels, height, width] in
        [-1, 1]."""
        wishes = self.read(caption)
        ranks = self.sampler(noise[:, : self.attributes], wishes)
        images: Tensor = self.painter(noise[:, self.attributes :], condition(wishes[:, 0], ranks, self.classes))
        return images

    def read(self, caption: Tensor) -> Tensor:
        """The wish in each caption, int64 [batch, 1 + attributes]; see :func:`ganlib.nets.text.decide`."""
        return decide(self.encoder(caption))


class CaptionedGenerator(nn.Module):
    """Caption to vector, vector and noise to image."""

    def __init__(self, shape: ImageShape, latent_dim: int, channels: int, width: int) -> None:
        """``width`` is that of a caption's vector; the rest is for :class:`ConvGenerator`, which paints."""
        super().__init__()
        self.encoder = CaptionEmbedding(width)
        self.painter = ConvGenerator(shape, latent_dim, channels, width)

    def forward(self, noise: Tensor, caption: Tensor) -> Tensor:
        """Float [batch, latent_dim] and int64 [batch, 64] to float [batch, channels, height, width] in [-1, 1]."""
        images: Tensor = self.painter(noise, self.encoder(caption))
        return images
