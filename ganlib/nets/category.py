"""A part of the latent that is one of a few categories, chosen by the noise (InfoGAN's categorical code, Chen 2016)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALE = 4.0
"""Of the one-hot vector: beside 32 numbers of noise it then weighs in the first layer as much as they do together."""


class CategoricalInput(nn.Module):
    """A net that takes a float condition beside the noise, given noise alone: the first number says which category.

    Images of several kinds, such as letters, have no continuous path from one kind to another, and a continuous net of
    normal noise draws what lies between. Here it may leap instead. Unlike InfoGAN's, no loss asks what category it is.
    """

    thresholds: Tensor
    """Phi^-1(k / categories) for k from 1: as many draws of normal noise lie between any two."""

    def __init__(self, net: nn.Module, categories: int) -> None:
        """``net`` is called with the noise and one-hot vectors times :data:`SCALE`, which stand behind a condition."""
        from scipy.special import ndtri

        super().__init__()
        self.net, self.categories = net, categories
        bounds = ndtri(np.arange(1, categories) / categories)
        self.register_buffer("thresholds", torch.tensor(bounds, dtype=torch.float32))

    def forward(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """What the net gives for all of ``noise``, float [batch, latent_dim] (and a condition, float [batch, n])."""
        code = SCALE * F.one_hot(choose(noise, self.thresholds), self.categories).to(noise.dtype)
        out: Tensor = self.net(noise, code if condition is None else torch.cat([condition, code], dim=1))
        return out


def choose(noise: Tensor, thresholds: Tensor) -> Tensor:
    """Which range between ``thresholds`` the first column of ``noise`` is in: float [batch, n] to int64 [batch].

    It is compared with stored numbers, with no arithmetic before, so every runtime chooses the same one.
    """
    return (noise[:, :1] > thresholds).sum(1)
