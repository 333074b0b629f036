"""A Gaussian mixture over the codes of a plain autoencoder, as a sampler (Ghosh 2020, section 4)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganlib.nets.category import choose


class GaussianMixture(nn.Module):
    """Standard normal noise to samples of a mixture of Gaussians with full covariances.

    Before :meth:`fit` every component is N(0, I), and so are the samples. The shapes of the buffers do not depend on
    the data, so a fitted mixture loads into a new one.
    """

    thresholds: Tensor
    """Phi^-1 of the weights' cumulative sums, without the last, float32 [components - 1]."""
    means: Tensor
    """Float32 [components, dim]."""
    factors: Tensor
    """Lower Cholesky factors of the covariances, float32 [components, dim, dim]."""

    def __init__(self, components: int, dim: int) -> None:
        """``dim`` is the width of the codes."""
        super().__init__()
        self.register_buffer("thresholds", torch.zeros(components - 1))
        self.register_buffer("means", torch.zeros(components, dim))
        self.register_buffer("factors", torch.eye(dim).repeat(components, 1, 1))

    def forward(self, noise: Tensor) -> Tensor:
        """Float32 standard normal [batch, dim + 1] to samples, float32 [batch, dim].

        The first column chooses the component.
        """
        component = choose(noise, self.thresholds)
        spread = self.factors[component] @ noise[:, 1:].unsqueeze(2)
        return self.means[component] + spread.squeeze(2)

    def fit(self, codes: NDArray[np.float32], seed: int) -> None:
        """Fit by expectation maximisation, from k-means, to float ``codes`` [n, dim], n >= components.

        Raises:
            ValueError: fewer codes than components, or codes that are not finite.
        """
        from scipy.special import ndtri
        from sklearn import mixture

        estimate = mixture.GaussianMixture(len(self.means), random_state=seed, reg_covar=1e-6 * float(codes.var()))
        estimate.fit(codes.astype(np.float64))
        bounds = np.cumsum(estimate.weights_)[:-1]
        # Finite, because a moving average of infinities is not a number. float32 noise never gets to 40.
        self.thresholds.copy_(torch.from_numpy(np.clip(ndtri(np.minimum(bounds, 1.0)), -40, 40)))
        self.means.copy_(torch.from_numpy(estimate.means_))
        self.factors.copy_(torch.from_numpy(np.linalg.cholesky(estimate.covariances_)))
