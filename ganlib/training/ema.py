"""Exponential moving average of a generator (Yazici 2019), by half-life in images: the same at any batch size."""

from __future__ import annotations

import copy
from typing import NamedTuple

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
        self._source: nn.Module | None = None
        self._pairs = _Pairs(([], []), ([], []))

    @torch.no_grad()
    def update(self, source: nn.Module, *, batch: int, images_seen: int) -> None:
        """Move towards ``source`` after a step over ``batch`` images."""
        half_life = min(self._half_life, max(images_seen, batch) / 2)
        weight = 1 - 0.5 ** (batch / half_life)
        if self._source is not source:
            self._source, self._pairs = source, _pairs(self.module, source)
        torch._foreach_lerp_(*self._pairs.floats, weight)
        if self._pairs.others[0]:
            torch._foreach_copy_(*self._pairs.others)


class _Pairs(NamedTuple):
    """Tensors of the average beside those of its source."""

    floats: tuple[list[Tensor], list[Tensor]]
    others: tuple[list[Tensor], list[Tensor]]
    """Counters and the like, which are copied."""


def _pairs(module: nn.Module, source: nn.Module) -> _Pairs:
    pairs = _Pairs(([], []), ([], []))
    for own, other in zip(module.state_dict().values(), source.state_dict().values(), strict=True):
        mine, theirs = pairs.floats if own.is_floating_point() else pairs.others
        mine.append(own)
        theirs.append(other)
    return pairs
