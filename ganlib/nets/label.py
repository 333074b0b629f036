"""Digits as a condition."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIGITS = 10


class Labelled(nn.Module):
    """A net that takes a float condition [batch, 10], given int64 labels [batch] instead."""

    def __init__(self, net: nn.Module) -> None:
        """``net`` is called with its first argument and the labels as one-hot vectors."""
        super().__init__()
        self.net = net

    def forward(self, first: Tensor, label: Tensor) -> Tensor:
        """What ``net`` gives for ``first`` and ``label``, int64 [batch], 0..9."""
        out: Tensor = self.net(first, F.one_hot(label, DIGITS).to(first.dtype))
        return out


class OwnInput(nn.Module):
    """A net with a first dense layer of its own for each digit, given int64 labels [batch].

    Ten times the latent vector in a row, all but the label's copy zero, is what one wide dense layer needs for that.
    """

    def __init__(self, net: nn.Module) -> None:
        """``net`` is called with float [batch, 10 * width] and the labels as one-hot vectors."""
        super().__init__()
        self.net = net

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """What ``net`` gives for ``latent`` [batch, width] and ``label``, int64 [batch], 0..9."""
        condition = F.one_hot(label, DIGITS).to(latent.dtype)
        out: Tensor = self.net((condition.unsqueeze(2) * latent.unsqueeze(1)).flatten(1), condition)
        return out


class OwnOutput(nn.Module):
    """A net with a last dense layer of its own for each digit, given int64 labels [batch]."""

    def __init__(self, net: nn.Module) -> None:
        """``net`` gives float [batch, 10 * width]; the label's part of it is kept."""
        super().__init__()
        self.net = net

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        """Float [batch, width] for ``images`` and ``label``, int64 [batch], 0..9."""
        out: Tensor = self.net(images).unflatten(1, (DIGITS, -1))[torch.arange(len(label), device=label.device), label]
        return out
