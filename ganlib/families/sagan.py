"""SAGAN: self-attention, spectral normalisation of both players and the hinge loss (Zhang 2019)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.adversarial import Adversarial, AdversarialOptions
from ganlib.families.parts.base import OptimizerOptions
from ganlib.nets.attention import SelfAttentionDiscriminator, SelfAttentionGenerator, attended
from ganlib.objectives.losses import HINGE

_LOOKS = ((0.3, 0.5), (0.5, 0.3), (0.5, 0.5), (0.72, 0.5))
"""Whose attention is shown, as row and column in shares of the side: top, left, middle, bottom."""


class SaganOptions(AdversarialOptions):
    """Defaults; docs/families/sagan.md says how far they were searched."""

    generator: OptimizerOptions = OptimizerOptions(learning_rate=1e-3, betas=(0.0, 0.9))
    discriminator: OptimizerOptions = OptimizerOptions(learning_rate=4e-3, betas=(0.0, 0.9))
    batch_size: int = 32
    latent_dim: int = 32
    channels: int = Field(32, gt=0, multiple_of=8)


class Sagan(Adversarial):
    """The discriminator's learning rate is the higher one, in place of more steps (Heusel 2017)."""

    Options: ClassVar[type[SaganOptions]] = SaganOptions

    def __init__(self, options: SaganOptions, spec: DatasetSpec) -> None:
        """Build both nets."""
        super().__init__(
            options,
            spec,
            SelfAttentionGenerator(spec.image, options.latent_dim, options.channels),
            SelfAttentionDiscriminator(spec.image, options.channels),
            HINGE,
        )

    def pictures(self, model: nn.Module) -> dict[str, Tensor]:
        """``attention``: a row an image, the image itself and where four of its pixels look."""
        assert isinstance(model, SelfAttentionGenerator)  # noqa: S101
        noise = torch.randn(8, self.noise_dim, generator=torch.Generator().manual_seed(0))
        shape, side = self.spec.image, attended(self.spec.image)
        looks = [int(row * side) * side + int(column * side) for row, column in _LOOKS]
        maps = model.attention(noise)[:, looks].view(len(noise), len(looks), side // 2, side // 2)
        maps = F.interpolate(maps / maps.amax(dim=(2, 3), keepdim=True), (shape.height, shape.width)) * 2 - 1
        maps = maps.unsqueeze(2).expand(-1, -1, shape.channels, -1, -1)
        return {"attention": torch.cat([model(noise).unsqueeze(1), maps], dim=1)}


family = Sagan
