"""VQGAN: a vector-quantised autoencoder against a discriminator, then a transformer over its codes (Esser 2021)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.adversarial import DiscriminatorOptions, discriminate
from ganlib.families.parts.base import Family, Losses, OptimizerOptions, Phase, TrainingBatch
from ganlib.families.parts.space import Choice, Range, Space
from ganlib.nets.conv import ConvDiscriminator
from ganlib.nets.prior import CodePrior
from ganlib.nets.quantizer import perplexity, use
from ganlib.nets.vqgan import VqGenerator, grid
from ganlib.objectives.losses import HINGE, adaptive_weight


class VqganOptions(DiscriminatorOptions):
    """Defaults; docs/families/vqgan.md says how far they were searched."""

    autoencoder: OptimizerOptions = OptimizerOptions(learning_rate=1e-3, betas=(0.5, 0.9))
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=1e-3, betas=(0.5, 0.9))
    prior: OptimizerOptions = OptimizerOptions(name="adamw", learning_rate=1e-3, betas=(0.9, 0.95))
    batch_size: int = 64
    ema_half_life: int = 20_000
    channels: int = 32
    codes: PositiveInt = Field(64, description="size of the codebook")
    width: PositiveInt = Field(128, description="of the prior")
    layers: PositiveInt = Field(4, description="of the prior")
    heads: PositiveInt = Field(4, description="of the prior's attention")
    first_stage: float = Field(0.3, gt=0, lt=1, description="share of the steps before the prior takes over")
    commitment: float = Field(0.25, gt=0, description="weight of the commitment loss (van den Oord 2017)")
    feature_weight: float = Field(1.0, ge=0, description="weight of the error in the discriminator's features")
    gan_weight: float = Field(0.8, ge=0, description="of the adversarial loss, on top of the adaptive weight")
    r1_gamma: float = 0.1
    penalty_every: int = 8


class Vqgan(Family):
    """Two stages. The second one sees images as the frozen first one's codes and trains the prior alone."""

    Options: ClassVar[type[VqganOptions]] = VqganOptions
    options: VqganOptions

    def __init__(self, options: VqganOptions, spec: DatasetSpec) -> None:
        """Build autoencoder, discriminator and prior."""
        super().__init__(options, spec)
        prior = CodePrior(grid(spec.image) ** 2, options.codes, options.width, options.layers, options.heads)
        self._net = VqGenerator(spec.image, options.channels, options.codes, prior)
        self.autoencoder = nn.ModuleList(
            [self._net.encoder, self._net.quantizer, self._net.decoder, self._net.last],
        )
        self.discriminator = ConvDiscriminator(spec.image, options.channels)
        self.optimizers = {
            "autoencoder": options.autoencoder.build(self.autoencoder),
            "discriminator": options.discriminator.build(self.discriminator),
            "prior": options.prior.build(prior),
        }

    @property
    def generator(self) -> VqGenerator:
        """See :class:`Family`."""
        return self._net

    @property
    def noise_dim(self) -> int:
        """One number a code."""
        return self._net.prior.positions

    @classmethod
    def space(cls) -> Space:
        """Also how the stages share the steps, and what holds the codes and the discriminator in balance."""
        space = super().space()
        del space["latent_dim"]  # it has codes instead
        return {
            **space,
            "first_stage": Range(low=0.2, high=0.7, log=False),
            "commitment": Range(low=0.05, high=1.0),
            "gan_weight": Range(low=0.1, high=2.0),
            "codes": Choice(values=(32, 64, 128)),
        }

    def comparable_from(self) -> int:
        """The second stage's first step: without the prior it draws codes at random."""
        return math.ceil(self.options.first_stage * self.horizon)

    def phases(self, step: int) -> Sequence[Phase]:
        """Discriminator and every ``n_critic`` steps autoencoder in the first stage, the prior in the second."""
        if step >= self.comparable_from():
            return (Phase("prior", self._net.prior, self.optimizers["prior"], self._predict),)
        discriminator = Phase("discriminator", self.discriminator, self.optimizers["discriminator"], self._discriminate)
        if not self.options.others_turn(step):
            return (discriminator,)
        return discriminator, Phase("autoencoder", self.autoencoder, self.optimizers["autoencoder"], self._autoencode)

    def variant(self, step: int) -> Hashable | None:
        """The stage, whose turn it is, and whether there is a penalty."""
        if step >= self.comparable_from():
            return "prior"
        return self.options.others_turn(step), self.options.penalised(step)

    def compilable(self) -> Sequence[nn.Module]:
        """Encoder, decoder and prior."""
        return self._net.encoder, self._net.decoder, self._net.prior

    def _discriminate(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        with torch.no_grad():
            fakes = self._net.reconstruct(batch.images)
        separable = self.discriminator.separable(len(batch.images))
        return discriminate(self._judge, HINGE, batch.images, fakes, self.options, step, separable=separable)

    def _judge(self, images: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(self.options.augment(images, self.spec.image))
        return logits.float()

    def _autoencode(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        options, net = self.options, self._net
        latents, commitment, indices = net.quantizer(net.encoder(batch.images))
        logits = net.logits(latents)
        images = logits.tanh()
        with torch.no_grad():
            target = self.discriminator.features(batch.images)
        feature_error = (self.discriminator.features(images) - target).square().mean()
        # Grey levels as probabilities. A mean absolute or squared error has no gradient left where tanh is saturated,
        # and the blank image, in which most pixels are right, is just such a place: training got stuck there.
        pixels = F.binary_cross_entropy_with_logits(2 * logits, (batch.images + 1) / 2)
        error = pixels + options.feature_weight * feature_error
        fake_logits = self._judge(images)
        adversarial = HINGE.generator(fake_logits, fake_logits)
        weight = options.gan_weight * adaptive_weight(error, adversarial, net.last.weight)
        loss = error + weight * adversarial + options.commitment * commitment
        return loss, {
            "reconstruction_error": error.detach(),
            "generator_loss": adversarial.detach(),
            "gan_weight": weight,
            "commitment": commitment.detach(),
            "perplexity": perplexity(indices, options.codes),
        }

    def _predict(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        with torch.no_grad():
            indices = self._net.codes(batch.images)
        loss = self._net.prior.loss(indices)
        return loss, {"prior_loss": loss.detach()}

    def reconstruct(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """``images`` through their codes."""
        assert isinstance(model, VqGenerator)  # noqa: S101
        return model.reconstruct(images)

    def held_out(self, model: nn.Module, test: TrainingBatch) -> dict[str, float]:
        """Share of the codebook in use, its perplexity, and the prior's loss in nats a code."""
        assert isinstance(model, VqGenerator)  # noqa: S101
        indices = model.codes(test.images)
        return {
            "codebook_use": use(indices, self.options.codes).item(),
            "perplexity": perplexity(indices, self.options.codes).item(),
            "prior_loss": model.prior.loss(indices).item(),
        }


family = Vqgan
