"""Noise chooses a category, each as often as any other, and the same one in every runtime."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn

from ganlib.nets.category import SCALE, CategoricalInput


class Given(nn.Module):
    """Gives back what it was given."""

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Both, side by side."""
        return torch.cat([noise, condition], dim=1)


def test_the_first_number_chooses_by_quartiles_and_the_net_sees_all_the_noise() -> None:
    noise = torch.tensor([[-0.7, 5.0], [-0.6, 5.0], [0.1, 5.0], [0.7, 5.0]])  # the quartiles are -0.674, 0, 0.674
    given = CategoricalInput(Given(), 4)(noise)
    assert torch.equal(given[:, :2], noise)
    assert torch.equal(given[:, 2:], SCALE * torch.eye(4))


def test_a_condition_stands_before_the_category() -> None:
    condition = torch.tensor([[7.0, 8.0, 9.0]])
    given = CategoricalInput(Given(), 2)(torch.tensor([[1.0]]), condition)
    assert given.tolist() == [[1.0, 7.0, 8.0, 9.0, 0.0, SCALE]]


@pytest.mark.parametrize("categories", [1, 2, 16, 1024])
def test_categories_are_equally_likely(categories: int) -> None:
    torch.manual_seed(0)
    given = CategoricalInput(Given(), categories)(torch.randn(64 * 1024, 1))
    counts = np.bincount(given[:, 1:].argmax(1).numpy(), minlength=categories)
    assert categories == 1 or chisquare(counts).pvalue > 1e-4


def test_thresholds_are_kept_with_the_weights_and_a_moving_average_leaves_them() -> None:
    net = CategoricalInput(Given(), 16)
    kept = net.state_dict()["thresholds"]
    assert torch.equal(kept.lerp(kept, 0.3), kept)
    assert torch.isfinite(kept).all()
