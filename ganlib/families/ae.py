"""AE: a plain autoencoder, sampled from a Gaussian mixture over its codes (Ghosh 2020)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlib.data.batches import scaled
from ganlib.data.spec import DatasetSpec
from ganlib.families.parts.autoencoding import Autoencoding, AutoencodingOptions
from ganlib.families.parts.base import Losses, TrainingBatch
from ganlib.nets.autoencoder import Autoencoder, ConvEncoder
from ganlib.nets.conv import ConvGenerator
from ganlib.nets.mixture import GaussianMixture
from ganlib.objectives.losses import gaussian_nll_optimal

_MOST_CODES = 20_000
"""Images whose codes the mixture is fitted to: more change the fit little and take minutes."""


class AeOptions(AutoencodingOptions):
    """Defaults; docs/families/ae.md says how far they were searched."""

    components: PositiveInt = Field(50, description="Gaussians in the mixture that is fitted after training")
    code_decay: float = Field(1e-2, ge=0, description="weight of the codes' mean square, which keeps them together")


class Ae(Autoencoding):
    """The mixture is fitted to the moving average's codes of the training split; it needs one more noise dimension."""

    Options: ClassVar[type[AeOptions]] = AeOptions
    options: AeOptions

    def __init__(self, options: AeOptions, spec: DatasetSpec) -> None:
        """Build both nets, and a mixture that is N(0, I) until it is fitted."""
        super().__init__(
            options,
            spec,
            Autoencoder(
                ConvEncoder(spec.image, options.channels, options.latent_dim),
                ConvGenerator(spec.image, options.latent_dim, options.channels),
                GaussianMixture(options.components, options.latent_dim),
            ),
        )

    @property
    def noise_dim(self) -> int:
        """The code's dimensions, and one that chooses the component."""
        return self.options.latent_dim + 1

    def _reconstruct(self, batch: TrainingBatch, step: int) -> tuple[Tensor, Losses]:
        code = self._net.encoder(batch.images)
        nll, mse = gaussian_nll_optimal(batch.images, self._net.decoder(code))
        size = code.square().sum(dim=1).mean()
        loss = nll + self.options.code_decay * size
        return loss, {"nll": nll.detach(), "reconstruction_mse": mse.detach(), "code_size": size.detach()}

    def comparable_from(self) -> int:
        """Never while it trains: the mixture is fitted afterwards."""
        return self.horizon + 1

    def finish(self, model: nn.Module, images: np.ndarray) -> None:
        """Fit the mixture."""
        assert isinstance(model, Autoencoder)  # noqa: S101
        assert isinstance(model.bottleneck, GaussianMixture)  # noqa: S101
        if len(images) > _MOST_CODES:  # from all places: a split may be in the order of its classes
            images = images[np.sort(np.random.default_rng(0).choice(len(images), _MOST_CODES, replace=False))]
        some = torch.split(torch.from_numpy(np.array(images)), 1000)
        codes = torch.cat([model.encoder(scaled(chunk)) for chunk in some])
        model.bottleneck.fit(codes.numpy(), seed=0)


family = Ae
