"""The adversarial composition: generator x discriminator x loss x penalty."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlib.families.base import Batch, Family, FamilyOptions, Losses, OptimizerOptions, Phase
from ganlib.objectives import penalties


class AdversarialOptions(FamilyOptions):
    """Options of every adversarial family."""

    generator: OptimizerOptions = OptimizerOptions()
    discriminator: OptimizerOptions = OptimizerOptions()
    r1_gamma: float = Field(0.0, ge=0, description="weight of the R1 penalty on real data; 0: none")
    r1_every: PositiveInt = Field(8, description="steps between penalties, each weighted by as much (Karras 2020, B)")


class Adversarial(Family):
    """Two players. One generator pass serves both: the critic sees its images detached, the generator sees them again.

    That is sound because the generator does not change between the two phases of a step.
    """

    options: AdversarialOptions

    def __init__(
        self,
        options: AdversarialOptions,
        generator: nn.Module,
        discriminator: nn.Module,
        discriminator_loss: Callable[[Tensor, Tensor], Tensor],
        generator_loss: Callable[[Tensor], Tensor],
    ) -> None:
        """The losses are of logits: ``discriminator_loss(real, fake)`` and ``generator_loss(fake)``."""
        super().__init__(options)
        self._generator, self.discriminator = generator, discriminator
        self._discriminator_loss, self._generator_loss = discriminator_loss, generator_loss
        self.optimizers = {
            "generator": options.generator.build(generator),
            "discriminator": options.discriminator.build(discriminator),
        }
        self._fakes: Tensor | None = None

    @property
    def generator(self) -> nn.Module:
        """See :class:`Family`."""
        return self._generator

    def phases(self, step: int) -> Sequence[Phase]:
        """The discriminator, then the generator."""
        return (
            Phase("discriminator", self.discriminator, self.optimizers["discriminator"], self._discriminate),
            Phase("generator", self._generator, self.optimizers["generator"], self._generate),
        )

    def _discriminate(self, batch: Batch, step: int) -> tuple[Tensor, Losses]:
        noise = torch.randn(len(batch.images), self.options.latent_dim, device=batch.images.device)
        for parameter in self._generator.parameters():
            parameter.requires_grad_(True)
        self._fakes = self._generator(noise)
        penalised = self.options.r1_gamma > 0 and step % self.options.r1_every == 0
        images = batch.images.requires_grad_(penalised)
        real, fake = self.discriminator(images), self.discriminator(self._fakes.detach())
        loss = self._discriminator_loss(real, fake)
        losses = {
            "discriminator_loss": loss.detach(),
            "logit_real": real.detach().mean(),
            "logit_fake": fake.detach().mean(),
        }
        if penalised:
            penalty = penalties.r1(real, images)
            losses["r1"] = penalty.detach()
            loss = loss + self.options.r1_gamma * self.options.r1_every * penalty
        return loss, losses

    def _generate(self, batch: Batch, step: int) -> tuple[Tensor, Losses]:
        fakes, self._fakes = self._fakes, None
        assert fakes is not None, "the discriminator's phase comes first"  # noqa: S101
        loss = self._generator_loss(self.discriminator(fakes))
        return loss, {"generator_loss": loss.detach()}
