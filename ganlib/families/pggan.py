"""PGGAN: both nets grow from 7 x 7 or 8 x 8 to the image's size while they train (Karras 2018)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from torch import Tensor, nn

from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.adversarial import Adversarial, AdversarialOptions
from ganlib.families.parts.base import OptimizerOptions, Phase, TrainingBatch
from ganlib.nets.progressive import ProgressiveDiscriminator, ProgressiveGenerator, reals_at, schedule
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


class Pggan(Adversarial):
    """See the module."""

    Options: ClassVar[type[PgganOptions]] = PgganOptions
    _generator: ProgressiveGenerator

    def __init__(self, options: PgganOptions, spec: DatasetSpec) -> None:
        """Build both nets."""
        generator = ProgressiveGenerator(spec.image, options.latent_dim, options.channels)
        super().__init__(options, spec, generator, ProgressiveDiscriminator(spec.image, options.channels), BCE)

    def comparable_from(self) -> int:
        """The first step at which the whole net draws."""
        return next(step for step in range(self.horizon) if self._grown(step) == (self._generator.top, 1.0))

    def phases(self, step: int) -> Sequence[Phase]:
        """Those of every adversarial family, with the nets as far grown as the schedule says."""
        self._generator.grow(*self._grown(step))
        return super().phases(step)

    def variant(self, step: int) -> Hashable | None:
        """While a level fades in, its weight changes with every step."""
        level, alpha = self._grown(step)
        return (level, super().variant(step)) if alpha == 1 else None

    def compilable(self) -> Sequence[nn.Module]:
        """None: it trains by calls of its own."""
        return ()

    def draw(self, batch: TrainingBatch, step: int) -> Tensor:
        """Images at the resolution of ``step``."""
        return self._generator.at(self.noise(batch), *self._grown(step))

    def reals(self, batch: TrainingBatch, step: int) -> Tensor:
        """The real images at the resolution of ``step``."""
        return reals_at(batch.images, *self._grown(step), self._generator.top)

    def logits(self, images: Tensor, batch: TrainingBatch, step: int) -> Tensor:
        """Logits of images at the resolution of ``step``."""
        logits: Tensor = self.discriminator(self.options.augment(images, self.spec.image), *self._grown(step))
        return logits

    def _grown(self, step: int) -> tuple[int, float]:
        """Return the level and its alpha at ``step``."""
        return schedule(step, self.horizon, self._generator.top)


family = Pggan
