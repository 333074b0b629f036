"""SAGAN: self-attention, spectral normalisation of both players and the hinge loss (Zhang 2019)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganlib.families.parts.adversarial import Adversarial, AdversarialOptions
from ganlib.families.parts.base import OptimizerOptions
from ganlib.nets.attention import SelfAttentionDiscriminator, SelfAttentionGenerator
from ganlib.objectives.losses import HINGE

_LOOKS = (4 * 14 + 7, 7 * 14 + 4, 7 * 14 + 7, 10 * 14 + 7)
"""Pixels of the 14 x 14 features whose attention is shown: top, left, middle, bottom."""


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

    def __init__(self, options: SaganOptions) -> None:
        """Build both nets."""
        super().__init__(
            options,
            SelfAttentionGenerator(options.latent_dim, options.channels),
            SelfAttentionDiscriminator(options.channels),
            HINGE,
        )

    def pictures(self, model: nn.Module) -> dict[str, Tensor]:
        """``attention``: a row an image, the image itself and where four of its pixels look."""
        assert isinstance(model, SelfAttentionGenerator)  # noqa: S101
        noise = torch.randn(8, self.noise_dim, generator=torch.Generator().manual_seed(0))
        maps = model.attention(noise)[:, _LOOKS].view(len(noise), len(_LOOKS), 7, 7)
        maps = F.interpolate(maps / maps.amax(dim=(2, 3), keepdim=True), scale_factor=4.0) * 2 - 1
        return {"attention": torch.cat([model(noise).unsqueeze(1), maps.unsqueeze(2)], dim=1)}


family = Sagan
