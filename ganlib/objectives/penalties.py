"""Gradient penalties as pure functions. Norms are per sample; everything is computed in float32."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from ganlib.objectives.double_backward import DoubleBackward


def exact(images: Tensor, *, when: bool = True) -> AbstractContextManager[object]:
    """Inside, float32 whatever autocast says: a gradient's gradient loses too much in fewer bits."""
    return torch.autocast(images.device.type, enabled=False) if when else nullcontext()


def zero_centred(logits: Tensor, images: Tensor) -> Tensor:
    """``E[ ||grad_x D(x)||^2 ] / 2``: R1 on real images, R2 on generated ones (Mescheder 2018, eq. 9).

    Multiply by gamma. The norm is over all pixels of one image, then averaged over the batch.

    Args:
        logits: float [batch], computed from ``images`` with the graph kept.
        images: float [batch, ...] that requires grad.

    Returns:
        A scalar that can be differentiated with respect to the discriminator's weights.
    """
    (gradient,) = torch.autograd.grad(logits.float().sum(), images, create_graph=True)
    return 0.5 * gradient.float().square().flatten(1).sum(1).mean()


def one_centred(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """WGAN-GP's ``E[ (||grad_x D(x)|| - 1)^2 ]`` between real and generated images (Gulrajani 2017, eq. 3).

    Every sample has its own mixing ratio, uniform in [0, 1], and its own norm over all pixels. Multiply by lambda.

    Args:
        critic: images to logits [batch]; its weights get the gradient, as
            :class:`ganlib.objectives.double_backward.DoubleBackward` says.
        real: float [batch, ...].
        fake: same shape; no gradient flows to it.
    """
    ratio = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    between = torch.lerp(fake.detach(), real.detach(), ratio).requires_grad_(True)
    with exact(between):
        with (double := DoubleBackward()):
            logits = critic(between).float()
        gradient = double.gradient(logits, between)
    # The epsilon keeps the norm's own gradient finite where the critic is flat.
    norms = (gradient.float().square().flatten(1).sum(1) + 1e-12).sqrt()
    return (norms - 1).square().mean()
