"""The adversarial composition: generator x discriminator x loss x penalty x condition."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlib.data.augment import recolour, translate_and_cut
from ganlib.data.spec import DatasetSpec, ImageShape
from ganlib.families.parts.base import Family, FamilyOptions, Losses, OptimizerOptions, Phase, TrainingBatch
from ganlib.families.parts.few import for_few
from ganlib.families.parts.lesson import Lesson
from ganlib.objectives import penalties
from ganlib.objectives.losses import AdversarialLoss


class DiscriminatorOptions(FamilyOptions):
    """Options of every family that has a discriminator. Penalties add up; a weight of 0 leaves one out."""

    discriminator: OptimizerOptions = OptimizerOptions()
    n_critic: PositiveInt = Field(1, description="discriminator steps for each generator step; each has its own batch")
    r1_gamma: float = Field(0.0, ge=0, description="weight of the R1 penalty, on real images (Mescheder 2018)")
    r2_gamma: float = Field(0.0, ge=0, description="weight of the R2 penalty, on generated images")
    gp_lambda: float = Field(0.0, ge=0, description="weight of WGAN-GP's penalty, between both (Gulrajani 2017)")
    penalty_every: PositiveInt = Field(
        1, description="steps between penalties, each weighted by as much (Karras 2020, appendix B)"
    )
    r1_scale: float | None = Field(None, gt=0, description="factor of r1_gamma; null: by the number of images")
    diffaugment_shift: int | None = Field(
        None, ge=0, le=64, description="DiffAugment's translation, in pixels (Zhao 2020); null: by the number of images"
    )
    diffaugment_cut: int | None = Field(
        None, ge=0, le=128, description="side of DiffAugment's cutout, in pixels; null: by the number of images"
    )
    diffaugment_colour: bool | None = Field(
        None, description="DiffAugment's brightness, saturation and contrast; null: by the number of images"
    )

    def others_turn(self, step: int) -> bool:
        """Whether it is also the turn of whoever plays against the discriminator."""
        return (step + 1) % self.n_critic == 0

    def penalised(self, step: int) -> bool:
        """Whether the penalties are taken at ``step``."""
        return step % self.penalty_every == 0

    @property
    def augmented(self) -> bool:
        """Whether what is drawn for an image depends on its place among those that are judged with it."""
        return bool(self.diffaugment_shift or self.diffaugment_cut or self.diffaugment_colour)

    def augment(self, images: Tensor, shape: ImageShape) -> Tensor:
        """``images`` as the discriminator judges them. Pixels are those of whole images, of ``shape``; of smaller ones
        as many fewer."""
        if not self.augmented:
            return images
        if self.diffaugment_colour:
            images = recolour(images)
        sizes = self.diffaugment_shift or 0, self.diffaugment_cut or 0
        if not any(sizes):
            return images
        pixels, cut = (round(size * images.shape[-1] / shape.width) for size in sizes)
        return translate_and_cut(images, pixels, cut)

    def for_images(self, images: int, shape: ImageShape) -> Self:
        """See :meth:`FamilyOptions.for_images`; by :func:`ganlib.families.parts.few.for_few`."""
        remedy = for_few(images, shape).model_dump()
        return self.model_copy(update={name: value for name, value in remedy.items() if getattr(self, name) is None})

    def unfit(self, shape: ImageShape) -> str | None:
        """See :meth:`FamilyOptions.unfit`."""
        limits = {"diffaugment_shift": shape.height // 2, "diffaugment_cut": shape.height}
        for name, most in limits.items():
            if (value := getattr(self, name) or 0) > most:
                return f"{name} must be at most {most} for a {shape} image, and is {value}"
        return super().unfit(shape)


class AdversarialOptions(DiscriminatorOptions):
    """Options of every adversarial family."""

    generator: OptimizerOptions = OptimizerOptions()
    clip: float = Field(
        0.0, ge=0, description="the discriminator's weights stay within +- this (Arjovsky 2017); 0: free"
    )


def discriminate(
    judge: Callable[[Tensor], Tensor],
    loss: AdversarialLoss,
    real: Tensor,
    fake: Tensor,
    options: DiscriminatorOptions,
    step: int,
    *,
    separable: bool = False,
) -> tuple[Tensor, Losses]:
    """A discriminator's loss on one batch with its penalties, and what is logged of it.

    Args:
        judge: images to logits, float32 [batch].
        loss: the game.
        real: real images; no gradient flows to them or to ``fake`` beyond the penalties' own.
        fake: as many generated ones.
        options: which penalties, and how often; they weigh as much more as they are rarer.
        step: of the training.
        separable: these many images have the same logits in a batch with as many others. Real and generated ones are
            then judged as one batch, real ones first: one pass of larger kernels, and one of their gradients. Images
            that a penalty differentiates by are judged on their own all the same, and so are augmented ones, for which
            what is drawn depends on their place in the batch.
    """
    penalty_due = options.penalised(step)
    real = real.detach().requires_grad_(penalty_due and options.r1_gamma > 0)
    fake = fake.detach().float().requires_grad_(penalty_due and options.r2_gamma > 0)
    alone = real.requires_grad or fake.requires_grad
    with penalties.exact(real, when=alone):
        if separable and not (alone or options.augmented):
            logits, fake_logits = judge(torch.cat([real, fake])).chunk(2)
        else:
            logits, fake_logits = judge(real), judge(fake)
    value = loss.discriminator(logits, fake_logits)
    losses = {
        "discriminator_loss": value.detach(),
        "logit_real": logits.detach().mean(),
        "logit_fake": fake_logits.detach().mean(),
    }
    terms: dict[str, tuple[float, Callable[[], Tensor]]] = {
        "r1": (options.r1_gamma * (options.r1_scale or 1.0), lambda: penalties.zero_centred(logits, real)),
        "r2": (options.r2_gamma, lambda: penalties.zero_centred(fake_logits, fake)),
        "gradient_penalty": (options.gp_lambda, lambda: penalties.one_centred(judge, real, fake)),
    }
    for name, (weight, penalty) in terms.items():
        if penalty_due and weight:
            losses[name] = (penalty_value := penalty()).detach()
            value = value + weight * options.penalty_every * penalty_value
    return value, losses


class Adversarial(Family):
    """Two players. One generator pass serves both: the discriminator sees its images detached, the generator again.

    That is sound because the generator does not change between the two phases of a step.
    """

    options: AdversarialOptions

    def __init__(
        self,
        options: AdversarialOptions,
        spec: DatasetSpec,
        generator: nn.Module,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        separable: Callable[[int], bool] = lambda size: False,
    ) -> None:
        """Both nets take the condition, if there is one, after their first argument; the discriminator gives logits.

        ``separable`` of n: n images have the same logits in a batch with n others, since nothing in the discriminator,
        such as BatchNorm, mixes the two and nothing is drawn. It then judges real and generated images in one pass.
        """
        super().__init__(options, spec)
        self._generator, self.discriminator, self._loss, self.separable = generator, discriminator, loss, separable
        self.optimizers = {
            "generator": options.generator.build(generator),
            "discriminator": options.discriminator.build(discriminator),
        }
        self._fakes: Tensor | None = None
        self._noise: Tensor | None = None
        self.lesson: Lesson | None = None
        """What a student's generator learns from besides the game, set before training."""

    @property
    def generator(self) -> nn.Module:
        """See :class:`Family`."""
        return self._generator

    def phases(self, step: int) -> Sequence[Phase]:
        """The discriminator, and every ``n_critic`` steps the generator."""
        discriminator = Phase("discriminator", self.discriminator, self.optimizers["discriminator"], self._discriminate)
        if not self.options.others_turn(step):
            return (discriminator,)
        return discriminator, Phase("generator", self._generator, self.optimizers["generator"], self._generate)

    def variant(self, step: int) -> Hashable | None:
        """Whose turn it is, and whether there are penalties. A subclass whose losses use the step says what of it.

        A teacher draws on the host, which no recording of a step holds.
        """
        if self.lesson:
            return None
        return self.options.others_turn(step), self.options.penalised(step)

    def compilable(self) -> Sequence[nn.Module]:
        """The generator, and the discriminator if no penalty takes its gradient."""
        options = self.options
        weight = options.r1_gamma or options.r2_gamma or options.gp_lambda
        return (self._generator,) if weight else (self._generator, self.discriminator)

    def condition_inputs(self, batch: TrainingBatch) -> tuple[Tensor, ...]:
        """The condition of ``batch``, as both nets take it."""
        return ()

    def draw(self, batch: TrainingBatch, step: int) -> Tensor:
        """As many generated images as ``batch`` has, under its condition."""
        images: Tensor = self._generator(self.noise(batch), *self.condition_inputs(batch))
        return images

    def noise(self, batch: TrainingBatch) -> Tensor:
        """Standard normal noise for as many images as ``batch`` has."""
        noise = torch.randn(len(batch.images), self.noise_dim, device=batch.images.device)
        self._noise = noise if self.lesson else None
        return noise

    def reals(self, batch: TrainingBatch, step: int) -> Tensor:
        """The real images as the discriminator is to see them."""
        return batch.images

    def logits(self, images: Tensor, batch: TrainingBatch, step: int) -> Tensor:
        """Logits of ``images`` under the condition of ``batch``: of as many, or of twice as many in two such halves."""
        condition_inputs = self.condition_inputs(batch)
        if len(images) > len(batch.images):
            condition_inputs = tuple(torch.cat([each, each]) for each in condition_inputs)
        logits: Tensor = self.discriminator(self.options.augment(images, self.spec.image), *condition_inputs)
        return logits.float()

    def _discriminate(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        options, turn = self.options, self.options.others_turn(step)
        if options.clip:
            with torch.no_grad():
                for weight in self.discriminator.parameters():
                    weight.clamp_(-options.clip, options.clip)
        with torch.set_grad_enabled(turn):
            fakes = self.draw(batch, step)
        self._fakes = fakes if turn else None
        return discriminate(
            lambda images: self.logits(images, batch, step),
            self._loss,
            self.reals(batch, step),
            fakes,
            options,
            step,
            separable=self.separable(len(batch.images)),
        )

    def _generate(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        fakes, self._fakes = self._fakes, None
        assert fakes is not None, "the discriminator's phase comes first"  # noqa: S101
        fake_logits = self.logits(fakes, batch, step)
        real = fake_logits
        if self._loss.relativistic:
            with torch.no_grad():
                real = self.logits(self.reals(batch, step), batch, step)
        loss = self._loss.generator(real, fake_logits)
        losses = {"generator_loss": loss.detach()}
        if self.lesson is None or self._noise is None:
            return loss, losses
        taught, terms = self.lesson(fakes, self._noise, *self.condition_inputs(batch))
        return self.lesson.weights.adversarial * loss + taught, {**losses, **terms}


class LabelConditional(Adversarial):
    """Both nets are told the class (Mirza 2014)."""

    condition = "label"

    def condition_inputs(self, batch: TrainingBatch) -> tuple[Tensor, ...]:
        """The labels of the real images, which are also those that are asked of the generator."""
        return (batch.labels,)
