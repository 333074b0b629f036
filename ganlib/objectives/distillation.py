"""How far a student's images are from its teacher's (Hinton 2015; of generators: Aguinaldo 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def pixel_distance(images: Tensor, targets: Tensor) -> Tensor:
    """Return the mean absolute difference of two batches of the same shape."""
    return F.l1_loss(images.float(), targets.float())


def feature_distance(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
    """Return the mean over levels of the mean absolute difference, over the mean absolute value of ``theirs``.

    Relative to what is there, a level with large values weighs no more than another, and a net whose features shrink or
    grow while it learns does not change what the distance means.
    """
    distances = [
        F.l1_loss(own.float(), other.float()) / other.float().abs().mean().clamp_min(1e-8)
        for own, other in zip(ours, theirs, strict=True)
    ]
    return torch.stack(distances).mean()
