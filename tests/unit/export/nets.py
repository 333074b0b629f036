"""Small real generators for tests of export and generation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

NOISE_DIM = 6


class SmallGenerator(nn.Module):
    """Noise to images by transposed convolutions with BatchNorm between, as real families do, only narrow."""

    def __init__(self, noise_dim: int = NOISE_DIM) -> None:
        super().__init__()
        self.project = nn.Linear(noise_dim, 4 * 49)
        self.norm = nn.BatchNorm2d(4)
        self.grow = nn.Sequential(
            nn.ConvTranspose2d(4, 4, 4, 2, 1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.ConvTranspose2d(4, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, noise: Tensor) -> Tensor:
        images: Tensor = self.grow(self.norm(self.project(noise).view(-1, 4, 7, 7)).relu())
        return images


def trained_like(seed: int = 0) -> SmallGenerator:
    """A generator in training mode whose BatchNorm statistics and weights are far from their defaults.

    In training mode it would normalise by the batch: an export that forgot ``eval()`` could not pass.
    """
    torch.manual_seed(seed)
    net = SmallGenerator()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(4) * 0.5)
                module.running_var.copy_(torch.rand(4) * 2 + 0.1)
                module.weight.copy_(torch.randn(4))
                module.bias.copy_(torch.randn(4) * 0.5)
            elif isinstance(module, nn.ConvTranspose2d):
                module.weight.mul_(4)
    return net
