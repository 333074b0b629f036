"""Penalties against a linear critic, whose gradient is its weight everywhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganlib.objectives import penalties


def test_r1_of_a_linear_critic_is_half_its_squared_weight_norm() -> None:
    weight = torch.tensor([3.0, 4.0])
    images = torch.randn(5, 2, requires_grad=True)
    assert penalties.zero_centred(images @ weight, images).item() == pytest.approx(12.5)


def test_r1_is_per_sample_then_averaged() -> None:
    # D(x_i) = i * x_i has gradient i at sample i; a norm over the whole batch would give (0 + 1 + 4 + 9) / 2.
    scale = torch.arange(4.0)
    images = torch.randn(4, 1, requires_grad=True)
    assert penalties.zero_centred(scale * images.squeeze(1), images).item() == pytest.approx((0 + 1 + 4 + 9) / 4 / 2)


def test_r1_pushes_the_critics_weights_down() -> None:
    critic = nn.Linear(3, 1, bias=False)
    images = torch.randn(8, 3, requires_grad=True)
    penalties.zero_centred(critic(images).squeeze(1), images).backward()
    assert critic.weight.grad is not None
    assert torch.allclose(critic.weight.grad, critic.weight.detach(), atol=1e-6)  # d(|w|^2 / 2)/dw = w


def test_one_centred_of_a_linear_critic_is_its_norms_squared_distance_from_one() -> None:
    weight = torch.tensor([3.0, 4.0])
    got = penalties.one_centred(lambda images: images @ weight, torch.randn(5, 2), torch.randn(5, 2))
    assert got.item() == pytest.approx((5 - 1) ** 2, rel=1e-5)


def test_one_centred_takes_a_norm_for_each_sample() -> None:
    scale = torch.arange(4.0)  # norms 0, 1, 2, 3; a norm over the whole batch would be sqrt(14)
    got = penalties.one_centred(lambda images: scale * images.squeeze(1), torch.randn(4, 1), torch.randn(4, 1))
    assert got.item() == pytest.approx((1 + 0 + 1 + 4) / 4, rel=1e-5)


def test_one_centred_looks_between_each_real_image_and_its_own_fake() -> None:
    seen: list[torch.Tensor] = []

    def critic(images: torch.Tensor) -> torch.Tensor:
        seen.append(images.detach())
        return images.sum(dim=(1, 2, 3))

    penalties.one_centred(critic, torch.zeros(64, 1, 3, 3), torch.ones(64, 1, 3, 3))
    ratios = seen[0].flatten(1)
    assert torch.allclose(ratios, ratios[:, :1].expand_as(ratios))  # one ratio a sample, not one a pixel
    assert ratios[:, 0].min() < 0.2
    assert ratios[:, 0].max() > 0.8


def test_one_centred_sends_no_gradient_to_the_generator_and_survives_a_flat_critic() -> None:
    fake = torch.randn(4, 3, requires_grad=True)
    critic = nn.Linear(3, 1)
    penalties.one_centred(lambda images: critic(images).squeeze(1), torch.randn(4, 3), fake).backward()
    assert fake.grad is None
    nn.init.zeros_(critic.weight)
    critic.zero_grad()
    penalties.one_centred(lambda images: critic(images).squeeze(1), torch.randn(4, 3), fake).backward()
    assert critic.weight.grad is not None
    assert torch.isfinite(critic.weight.grad).all()
