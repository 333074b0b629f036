"""Losses as pure functions of logits and tensors. Every one is minimised; every one is a mean over the batch.

``real`` and ``fake`` are discriminator logits, float [batch]; a larger logit means "more likely real".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganlib.nets import collectives


@dataclass(frozen=True)
class AdversarialLoss:
    """One game between two players. Both functions take (real logits, fake logits) and are minimised."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    relativistic: bool = False
    """Whether the generator's loss looks at the real logits, which then have to be computed for its turn too."""


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator's binary cross-entropy, ``E[-log D(x)] + E[-log(1 - D(G(z)))]`` (Goodfellow 2014, eq. 1).

    ``softplus`` on logits is the exact and finite form of ``-log sigmoid``.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def bce_generator(real: Tensor, fake: Tensor) -> Tensor:
    """Generator's non-saturating loss ``E[-log D(G(z))]`` (Goodfellow 2014, section 3)."""
    return F.softplus(-fake).mean()


_TARGET = 2.0
"""Of LSGAN's logits, + for real and - for fake. Where both are about as likely, the best logit is then the log of their
ratio to first order, as with :func:`bce_discriminator`, so that penalties and learning rates that suit one suit the
other. With the customary 0 and 1 logits are four times as small, and what is a step for the one is a leap for it."""


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``E[(D(x) - 2)^2] / 2 + E[(D(G(z)) + 2)^2] / 2`` (Mao 2017, eq. 2 with b = 2, a = -2)."""
    return 0.5 * (real - _TARGET).square().mean() + 0.5 * (fake + _TARGET).square().mean()


def least_squares_generator(real: Tensor, fake: Tensor) -> Tensor:
    """``E[(D(G(z)) - 2)^2] / 2`` (Mao 2017, eq. 2 with c = b)."""
    return 0.5 * (fake - _TARGET).square().mean()


def wasserstein_critic(real: Tensor, fake: Tensor) -> Tensor:
    """``E[D(G(z))] - E[D(x)]``: minus the estimate of the distance, because losses are minimised (Arjovsky 2017)."""
    return fake.mean() - real.mean()


def wasserstein_generator(real: Tensor, fake: Tensor) -> Tensor:
    """``-E[D(G(z))]`` (Arjovsky 2017, algorithm 1)."""
    return -fake.mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]`` (Lim & Ye 2017; Zhang 2019, eq. 4)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """``E[softplus(-(D(x) - D(G(z))))]`` over pairs of one real and one fake (Jolicoeur-Martineau 2019; Huang 2024)."""
    return F.softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """``E[softplus(-(D(G(z)) - D(x)))]``, the same pairs from the other side (Huang 2024, section 2.1)."""
    return F.softplus(real - fake).mean()


BCE = AdversarialLoss(bce_discriminator, bce_generator)
"""The cross entropy of real and generated, non-saturating for the generator (Goodfellow 2014)."""
LEAST_SQUARES = AdversarialLoss(least_squares_discriminator, least_squares_generator)
"""Squared distances of the logits from their targets (Mao 2017)."""
WASSERSTEIN = AdversarialLoss(wasserstein_critic, wasserstein_generator)
"""The difference of mean scores; the critic has to be kept Lipschitz (Arjovsky 2017)."""
HINGE = AdversarialLoss(hinge_discriminator, wasserstein_generator)
"""What is right by a margin costs the discriminator nothing (Lim and Ye 2017)."""
RELATIVISTIC = AdversarialLoss(relativistic_discriminator, relativistic_generator, relativistic=True)
"""Each image is judged beside one of the other kind (Jolicoeur-Martineau 2019)."""


def adaptive_weight(error: Tensor, adversarial: Tensor, last: Tensor) -> Tensor:
    """How much the adversarial loss counts, so that both pull equally hard at the last layer (Esser 2021, eq. 7).

    Args:
        error: the reconstruction's scalar loss.
        adversarial: the adversarial one.
        last: the decoder's last weight, which both depend on.

    Returns:
        ``|d error / d last| / |d adversarial / d last|``, a scalar without a gradient, at most 10^4.
    """
    ours, theirs = (
        collectives.mean(torch.autograd.grad(loss, last, retain_graph=True)[0]).norm() for loss in (error, adversarial)
    )
    weight: Tensor = (ours / (theirs + 1e-6)).clamp(0.0, 1e4)
    return weight.detach()


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
    mse = collectives.mean((target - mean).square().mean())
    values = target[0].numel()
    # The floor is a grey level's own rounding error: below it a continuous density on 8-bit pixels means nothing.
    floor = mse.clamp_min((2 / 255) ** 2 / 12)
    return 0.5 * values * (torch.log(2 * math.pi * floor) + mse / floor), mse
