"""Exponential moving average of a generator (Yazici 2019), by half-life in images: the same at any batch size."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Ema:
    """A second copy of a module whose weights and float buffers follow the first.

    The half-life is at most half of the images seen so far: early on, the average forgets its random start.
    """

    def __init__(self, module: nn.Module, half_life: int) -> None:
        """``half_life`` is in images."""
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self._half_life = half_life

    @torch.no_grad()
    def update(self, source: nn.Module, *, batch: int, images_seen: int) -> None:
        """Move towards ``source`` after a step over ``batch`` images."""
        half_life = min(self._half_life, max(images_seen, batch) / 2)
        weight = 1 - 0.5 ** (batch / half_life)
        mine: list[Tensor] = []
        theirs: list[Tensor] = []
        for own, other in zip(self.module.state_dict().values(), source.state_dict().values(), strict=True):
            if own.is_floating_point():
                mine.append(own)
                theirs.append(other)
            else:
                own.copy_(other)
        torch._foreach_lerp_(mine, theirs, weight)
