"""Nets whose images show what was asked of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Halves(nn.Module):
    """Colour, 32 x 32: the label (0 to 2) is the red of the lower half; the noise is the grey of the upper."""

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        upper = noise[:, :1].tanh().repeat(1, 3)
        lower = (label.float() / 2 - 1)[:, None] * torch.tensor([1.0, 0.0, 0.0]) - torch.tensor([0.0, 1.0, 1.0])
        halves = torch.stack([upper, lower], dim=2)
        return halves.repeat_interleave(16, dim=2)[..., None].expand(-1, 3, 32, 32)


class Initial(nn.Module):
    """Colour, 16 x 16: the caption's first byte is the green, the noise the red."""

    def forward(self, noise: Tensor, caption: Tensor) -> Tensor:
        levels = torch.stack([noise[:, 0].tanh(), caption[:, 0].float() / 128 - 1, -noise[:, 0].tanh()], dim=1)
        return levels[..., None, None].expand(-1, 3, 16, 16)
