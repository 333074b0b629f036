"""The autoencoding composition: encoder x decoder x Gaussian bottleneck."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from ganlib.families.base import Batch, Family, FamilyOptions, Losses, OptimizerOptions, Phase
from ganlib.objectives import losses


class AutoencodingOptions(FamilyOptions):
    """Options of every autoencoding family."""

    optimizer: OptimizerOptions = OptimizerOptions(learning_rate=1e-3, betas=(0.9, 0.999))
    beta: float = Field(1.0, gt=0, description="weight of the KL term (Higgins 2017)")


class Autoencoding(Family):
    """One player made of an encoder and a decoder; the decoder is what is exported."""

    options: AutoencodingOptions

    def __init__(self, options: AutoencodingOptions, encoder: nn.Module, decoder: nn.Module) -> None:
        """``encoder`` gives [batch, 2 * latent_dim]: means, then log-variances. ``decoder`` gives images."""
        super().__init__(options)
        self.player = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
        self.optimizers = {"autoencoder": options.optimizer.build(self.player)}

    @property
    def generator(self) -> nn.Module:
        """See :class:`Family`."""
        return self.player["decoder"]

    def phases(self, step: int) -> Sequence[Phase]:
        """One phase for the whole autoencoder."""
        return (Phase("autoencoder", self.player, self.optimizers["autoencoder"], self._reconstruct),)

    def _reconstruct(self, batch: Batch, step: int) -> tuple[Tensor, Losses]:
        mean, log_variance = self.player["encoder"](batch.images).chunk(2, dim=1)
        latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        nll, mse = losses.gaussian_nll_optimal(batch.images, self.player["decoder"](latent))
        kl = losses.gaussian_kl(mean, log_variance).mean()
        loss = nll + self.options.beta * kl
        return loss, {"elbo": -(nll + kl).detach(), "kl": kl.detach(), "reconstruction_mse": mse.detach()}
