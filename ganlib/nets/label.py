"""Digits as a condition."""

from __future__ import annotations

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
