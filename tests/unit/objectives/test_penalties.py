"""Penalties against a linear critic, whose gradient is its weight everywhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganlib.objectives import penalties


def test_r1_of_a_linear_critic_is_half_its_squared_weight_norm() -> None:
    weight = torch.tensor([3.0, 4.0])
    images = torch.randn(5, 2, requires_grad=True)
    assert penalties.r1(images @ weight, images).item() == pytest.approx(12.5)


def test_r1_is_per_sample_then_averaged() -> None:
    # D(x_i) = i * x_i has gradient i at sample i; a norm over the whole batch would give (0 + 1 + 4 + 9) / 2.
    scale = torch.arange(4.0)
    images = torch.randn(4, 1, requires_grad=True)
    assert penalties.r1(scale * images.squeeze(1), images).item() == pytest.approx((0 + 1 + 4 + 9) / 4 / 2)


def test_r1_pushes_the_critics_weights_down() -> None:
    critic = nn.Linear(3, 1, bias=False)
    images = torch.randn(8, 3, requires_grad=True)
    penalties.r1(critic(images).squeeze(1), images).backward()
    assert critic.weight.grad is not None
    assert torch.allclose(critic.weight.grad, critic.weight.detach(), atol=1e-6)  # d(|w|^2 / 2)/dw = w
