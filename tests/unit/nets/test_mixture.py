"""The Gaussian mixture: its samples have the data's moments, and the same component in every runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganlib.config import ExportConfig
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export
from ganlib.nets.mixture import GaussianMixture

DIM = 3
WEIGHTS = (0.6, 0.3, 0.1)
CENTRES = np.array([[6.0, 0.0, 0.0], [0.0, -6.0, 0.0], [0.0, 0.0, 9.0]])


def data(n: int = 6000, seed: int = 0) -> NDArray[np.float32]:
    """Three clouds of different weight, place and covariance."""
    random = np.random.default_rng(seed)
    which = random.choice(3, n, p=WEIGHTS)
    shapes = random.normal(size=(3, DIM, DIM)) * 0.5
    clouds = np.einsum("nij,nj->ni", shapes[which], random.normal(size=(n, DIM)))
    return (CENTRES[which] + clouds).astype(np.float32)


def fitted(components: int = 3) -> GaussianMixture:
    mixture = GaussianMixture(components, DIM)
    mixture.fit(data(), seed=0)
    return mixture


class Decoded(nn.Module):
    """A mixture with a small decoder behind it."""

    def __init__(self, mixture: GaussianMixture) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mixture = mixture
        self.decoder = nn.Linear(DIM, 784)

    def forward(self, noise: Tensor) -> Tensor:
        images: Tensor = self.decoder(self.mixture(noise) * 0.2).tanh().view(-1, 1, 28, 28)
        return images


def test_before_it_is_fitted_it_passes_standard_normal_noise() -> None:
    noise = torch.randn(64, DIM + 1)
    assert torch.equal(GaussianMixture(5, DIM)(noise), noise[:, 1:])


def test_samples_have_the_moments_of_the_data() -> None:
    torch.manual_seed(0)
    samples = fitted()(torch.randn(40000, DIM + 1)).numpy()
    codes = data()
    assert np.abs(samples.mean(0) - codes.mean(0)).max() < 0.1
    assert np.abs(np.cov(samples.T) - np.cov(codes.T)).max() < 0.4  # of variances near 12


def test_components_are_chosen_as_often_as_they_weigh() -> None:
    torch.manual_seed(0)
    samples = fitted()(torch.randn(40000, DIM + 1)).numpy()
    nearest = np.linalg.norm(samples[:, None] - CENTRES[None], axis=2).argmin(1)
    assert np.bincount(nearest) / 40000 == pytest.approx(WEIGHTS, abs=0.02)


def test_each_component_has_the_covariance_of_its_cloud() -> None:
    mixture, codes = fitted(), data()
    nearest = np.linalg.norm(codes[:, None] - CENTRES[None], axis=2).argmin(1)
    for k, centre in enumerate(CENTRES):
        mine = int(np.linalg.norm(mixture.means.numpy() - centre, axis=1).argmin())
        factor = mixture.factors[mine].numpy()
        assert np.abs(factor @ factor.T - np.cov(codes[nearest == k].T)).max() < 0.15


def test_the_first_column_alone_chooses_the_component() -> None:
    mixture = fitted()
    noise = torch.zeros(3, DIM + 1)
    noise[:, 0] = torch.tensor([-9.0, 0.0, 9.0])
    samples = mixture(noise)
    assert torch.equal(samples[0], mixture.means[0])
    assert torch.equal(samples[2], mixture.means[2])


def test_the_same_seed_fits_the_same_mixture() -> None:
    assert all(torch.equal(value, fitted().state_dict()[key]) for key, value in fitted().state_dict().items())


def test_a_fitted_mixture_loads_into_a_new_one() -> None:
    new, old = GaussianMixture(3, DIM), fitted()
    new.load_state_dict(old.state_dict())
    noise = torch.randn(64, DIM + 1)
    assert torch.equal(new(noise), old(noise))


def test_all_buffers_are_finite_even_where_codes_do_not_vary() -> None:
    mixture = GaussianMixture(4, DIM)
    flat = data(500)
    flat[:, 2] = 1.5
    mixture.fit(flat, seed=0)
    assert all(torch.isfinite(value).all() for value in mixture.state_dict().values())
    assert torch.isfinite(mixture(torch.randn(100, DIM + 1))).all()


def test_one_component_is_a_gaussian() -> None:
    mixture = fitted(1)
    assert mixture.thresholds.shape == (0,)
    assert np.allclose(mixture.means[0].numpy(), data().mean(0), atol=1e-3)


def test_too_few_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="n_samples"):
        GaussianMixture(8, DIM).fit(data(5), seed=0)


@pytest.mark.parametrize("components", [1, 3])
def test_the_exported_graph_draws_what_torch_draws(components: int, tmp_path: Path) -> None:
    net = Decoded(fitted(components))
    certificate = export(net, DIM + 1, tmp_path / "m.onnx", ExportConfig(), {}, MNIST)
    assert certificate.max_pixel_difference <= 1
    assert certificate.differing_share < 1e-3
