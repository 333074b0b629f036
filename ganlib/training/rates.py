"""Learning rates that fall while a run goes on, where its options say so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from ganlib.families.parts.base import TIMESCALE

BASE = "initial_lr"
"""A group's learning rate before it fell, under PyTorch's name for it."""


class LearningRates:
    """Those of the optimisers whose groups have a time scale; the others are left alone."""

    def __init__(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """They become tensors beside the parameters: a CUDA graph reads at each replay what they are by then."""
        self._groups = _falling(optimizers)
        for group in self._groups:
            rate = float(group["lr"])
            group.setdefault(BASE, rate)
            group["lr"] = torch.tensor(rate, device=group["params"][0].device)

    def fall(self, images: int) -> None:
        """Set them to what they are after so many images: base / sqrt(1 + images / time scale) (Zhai 2022, rsqrt)."""
        for group in self._groups:
            group["lr"].fill_(group[BASE] / (1 + images / group[TIMESCALE]) ** 0.5)


def recordable(optimizers: Iterable[torch.optim.Optimizer]) -> bool:
    """Return whether a CUDA graph can hold their steps: PyTorch's SGD reads a learning rate on the host."""
    return all("capturable" in group for group in _falling(optimizers))


def scale(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Multiply the learning rates of ``optimizer`` by ``factor``, from now on."""
    for group in optimizer.param_groups:
        for name in ("lr", BASE):
            if name in group:
                group[name] *= factor


def _falling(optimizers: Iterable[torch.optim.Optimizer]) -> list[dict[str, Any]]:
    return [group for optimizer in optimizers for group in optimizer.param_groups if group.get(TIMESCALE)]
