"""PGGAN: both nets grow from 7 x 7 over 14 x 14 to 28 x 28 while they train (Karras 2018)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from pydantic import field_validator
from torch import Tensor, nn

from ganlib.families.parts.adversarial import Adversarial, AdversarialOptions
from ganlib.families.parts.base import OptimizerOptions, Phase, TrainingBatch
from ganlib.nets.progressive import TOP, ProgressiveDiscriminator, ProgressiveGenerator, reals_at, schedule
from ganlib.objectives.losses import BCE


class PgganOptions(AdversarialOptions):
    """Equalised weights are near 1, so a learning rate is to be compared with that (docs/families/pggan.md)."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=8e-3, betas=(0.0, 0.99))
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=8e-3, betas=(0.0, 0.99))
    batch_size: int = 32
    latent_dim: int = 32
    channels: int = 12
    r1_gamma: float = 0.05
    penalty_every: int = 8

    @field_validator("diffaugment_shift", "diffaugment_cut")
    @classmethod
    def _no_pixels_yet(cls, value: int) -> int:
        if value:
            raise ValueError("must be 0: DiffAugment counts pixels of 28 x 28 images, and pggan begins with 7 x 7")
        return value


class Pggan(Adversarial):
    """See the module."""

    Options: ClassVar[type[PgganOptions]] = PgganOptions
    _generator: ProgressiveGenerator

    def __init__(self, options: PgganOptions) -> None:
        """Build both nets."""
        generator = ProgressiveGenerator(options.latent_dim, options.channels)
        super().__init__(options, generator, ProgressiveDiscriminator(options.channels), BCE)

    def comparable_from(self) -> int:
        """The first step at which the whole net draws at 28 x 28."""
        return next(step for step in range(self.horizon) if schedule(step, self.horizon) == (TOP, 1.0))

    def phases(self, step: int) -> Sequence[Phase]:
        """Those of every adversarial family, with the nets as far grown as the schedule says."""
        self._generator.grow(*schedule(step, self.horizon))
        return super().phases(step)

    def variant(self, step: int) -> Hashable | None:
        """While a level fades in, its weight changes with every step."""
        level, alpha = schedule(step, self.horizon)
        return (level, super().variant(step)) if alpha == 1 else None

    def compilable(self) -> Sequence[nn.Module]:
        """None: it trains by calls of its own."""
        return ()

    def draw(self, batch: TrainingBatch, step: int) -> Tensor:
        """Images at the resolution of ``step``."""
        return self._generator.at(self.noise(batch), *schedule(step, self.horizon))

    def reals(self, batch: TrainingBatch, step: int) -> Tensor:
        """The real images at the resolution of ``step``."""
        return reals_at(batch.images, *schedule(step, self.horizon))

    def logits(self, images: Tensor, batch: TrainingBatch, step: int) -> Tensor:
        """Logits of images at the resolution of ``step``."""
        logits: Tensor = self.discriminator(images, *schedule(step, self.horizon))
        return logits


family = Pggan
