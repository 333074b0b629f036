"""The autoencoding composition: encoder x decoder x bottleneck."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.base import Family, FamilyOptions, Losses, OptimizerOptions, Phase, TrainingBatch
from ganlib.nets.autoencoder import Autoencoder
from ganlib.objectives import losses


class AutoencodingOptions(FamilyOptions):
    """Options of every autoencoding family."""

    optimizer: OptimizerOptions = OptimizerOptions(learning_rate=1e-3, betas=(0.9, 0.999))
    latent_dim: int = 16
    channels: int = 32
    batch_size: int = 128


class Autoencoding(Family):
    """One player made of an encoder and a decoder, trained together."""

    options: AutoencodingOptions

    def __init__(self, options: AutoencodingOptions, spec: DatasetSpec, net: Autoencoder) -> None:
        """``net`` is what is trained, averaged, and, without its encoder, exported."""
        super().__init__(options, spec)
        self._net = net
        self.optimizers = {"autoencoder": options.optimizer.build(net)}

    @property
    def generator(self) -> Autoencoder:
        """See :class:`Family`."""
        return self._net

    def phases(self, step: int) -> Sequence[Phase]:
        """One phase for the whole autoencoder."""
        return (Phase("autoencoder", self._net, self.optimizers["autoencoder"], self._reconstruct),)

    def variant(self, step: int) -> Hashable | None:
        """Every step is alike. A subclass whose losses use the step says what of it."""
        return ()

    def compilable(self) -> Sequence[nn.Module]:
        """Encoder and decoder."""
        return self._net.encoder, self._net.decoder

    def condition_inputs(self, labels: Tensor) -> tuple[Tensor, ...]:
        """The condition of images with ``labels``, as encoder and decoder take it."""
        return (labels,) if self.condition == "label" else ()

    def reconstruct(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """``images`` through their codes' means."""
        assert isinstance(model, Autoencoder)  # noqa: S101
        condition_inputs = self.condition_inputs(labels)
        out: Tensor = model.decoder(self.code(model.encoder(images, *condition_inputs)), *condition_inputs)
        return out

    def code(self, features: Tensor) -> Tensor:
        """The one code that stands for the encoder's output."""
        return features

    def _reconstruct(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        condition_inputs = self.condition_inputs(batch.labels)
        code = self.code(self._net.encoder(batch.images, *condition_inputs))
        nll, mse = losses.gaussian_nll_optimal(batch.images, self._net.decoder(code, *condition_inputs))
        return nll, {"nll": nll.detach(), "reconstruction_mse": mse.detach()}


class VariationalOptions(AutoencodingOptions):
    """Options of every family with a Gaussian bottleneck."""

    latent_dim: int = 10
    batch_size: int = 64
    beta: float = Field(10.0, gt=0, description="weight of the KL term (Higgins 2017); 1 is the evidence lower bound")


class Variational(Autoencoding):
    """A Gaussian bottleneck: the encoder gives means and log-variances, and the prior is N(0, I)."""

    options: VariationalOptions

    def code(self, features: Tensor) -> Tensor:
        """The mean."""
        return features.chunk(2, dim=1)[0]

    def _reconstruct(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        nll, kl, mse = self._terms(self._net, batch.images, batch.labels)
        loss = nll + self.options.beta * kl
        return loss, {"elbo": -(nll + kl).detach(), "kl": kl.detach(), "reconstruction_mse": mse.detach()}

    def _terms(self, net: Autoencoder, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Negative log-likelihood and KL divergence in nats an image, and the mean squared error."""
        condition_inputs = self.condition_inputs(labels)
        code, kl = self.posterior(net.encoder(images, *condition_inputs))
        nll, mse = losses.gaussian_nll_optimal(images, net.decoder(code, *condition_inputs))
        return nll, kl, mse

    def posterior(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Of the encoder's output: codes drawn from it, [batch, latent_dim], and its mean KL divergence in nats."""
        mean, log_variance = features.chunk(2, dim=1)
        code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return code, losses.gaussian_kl(mean, log_variance).mean()

    def held_out(self, model: nn.Module, test: TrainingBatch) -> dict[str, float]:
        """The evidence lower bound in nats an image, with the variance that is best on these images."""
        assert isinstance(model, Autoencoder)  # noqa: S101
        nll, kl, _ = self._terms(model, test.images, test.labels)
        return {"elbo": -(nll + kl).item(), "kl": kl.item()}
