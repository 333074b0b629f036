"""Losses as pure functions of logits and tensors. Every one is minimised; every one is a mean over the batch.

``real`` and ``fake`` are discriminator logits, float [batch]; a larger logit means "more likely real".
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator's binary cross-entropy, ``E[-log D(x)] + E[-log(1 - D(G(z)))]`` (Goodfellow 2014, eq. 1).

    ``softplus`` on logits is the exact and finite form of ``-log sigmoid``.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def bce_generator(fake: Tensor) -> Tensor:
    """Generator's non-saturating loss ``E[-log D(G(z))]`` (Goodfellow 2014, section 3)."""
    return F.softplus(-fake).mean()


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """``KL(N(mean, exp(log_variance)) || N(0, I))`` in nats, float [batch] (Kingma & Welling 2014, appendix B).

    Args:
        mean: float [batch, latent].
        log_variance: float [batch, latent].
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def gaussian_nll_optimal(target: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Gaussian negative log-likelihood in nats an image, under the one variance that is best for this batch.

    The maximum-likelihood variance shared by all pixels is the batch's mean squared error (sigma-VAE, Rybkin 2021,
    section 4), which leaves ``D/2 * (log(2 pi mse) + 1)`` for D values an image.

    Args:
        target: float [batch, ...].
        mean: the decoder's output, same shape.

    Returns:
        The scalar loss, and the scalar mean squared error.
    """
    mse = (target - mean).square().mean()
    values = target[0].numel()
    # The floor is a grey level's own rounding error: below it a continuous density on 8-bit pixels means nothing.
    floored = mse.clamp_min((2 / 255) ** 2 / 12)
    return 0.5 * values * (torch.log(2 * math.pi * floored) + mse / floored), mse
