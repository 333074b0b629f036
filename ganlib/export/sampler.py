"""A trained net with its last step baked in, so that what leaves the graph is finished pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def to_pixels(images: Tensor) -> Tensor:
    """Return float images in [-1, 1] as uint8 levels of the same shape, rounded half up; values outside are clipped.

    Clipping comes before the cast because casting a float that uint8 cannot hold differs between runtimes.
    IREE takes a float to eight bits as if they were signed, 127 for all that is brighter: hence int32 on the way.
    """
    return ((images * 0.5 + 0.5) * 255.0 + 0.5).clamp(0.0, 255.0).floor().to(torch.int32).to(torch.uint8)


class Sampler(nn.Module):
    """What is exported: from ``noise``, float32 ``[batch, noise_dim]``, to ``image``, uint8 ``[batch, C, H, W]``.

    The net gets the graph's inputs in the contract's order (noise, then label, then caption) and returns
    images in [-1, 1]; nothing random may happen in it.
    """

    def __init__(self, net: nn.Module) -> None:
        """Wrap ``net``, which maps the graph's inputs to float32 ``[batch, C, H, W]`` in [-1, 1]."""
        super().__init__()
        self.net = net

    def forward(self, noise: Tensor, *condition: Tensor) -> Tensor:
        """Return the images of float32 ``[batch, noise_dim]`` and the condition: uint8 ``[batch, C, H, W]``."""
        return to_pixels(self.net(noise, *condition))
