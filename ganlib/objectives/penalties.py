"""Gradient penalties as pure functions. Norms are per sample; everything is computed in float32."""

from __future__ import annotations

import torch
from torch import Tensor


def r1(logits: Tensor, images: Tensor) -> Tensor:
    """Zero-centred gradient penalty on real data, ``E[ ||grad_x D(x)||^2 ] / 2`` (Mescheder 2018, eq. 9).

    Multiply by gamma. The norm is over all pixels of one image, then averaged over the batch.

    Args:
        logits: float [batch], computed from ``images`` with the graph kept.
        images: float [batch, ...] that requires grad.

    Returns:
        A scalar that can be differentiated with respect to the discriminator's weights.
    """
    (gradient,) = torch.autograd.grad(logits.float().sum(), images, create_graph=True)
    return 0.5 * gradient.float().square().flatten(1).sum(1).mean()
