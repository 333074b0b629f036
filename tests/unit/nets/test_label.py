"""Nets that are told the digit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganlib.nets.label import DIGITS, OwnInput, OwnOutput


class Seen(nn.Module):
    """Gives back both arguments in one row."""

    def forward(self, first: Tensor, condition: Tensor) -> Tensor:
        return torch.cat([first, condition], dim=1)


def test_a_latent_vector_reaches_its_digits_columns_alone() -> None:
    latent = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    out = OwnInput(Seen())(latent, torch.tensor([0, 9]))
    first, condition = out.split([2 * DIGITS, DIGITS], dim=1)
    assert first[0].tolist() == [1.0, 2.0] + 18 * [0.0]
    assert first[1].tolist() == 18 * [0.0] + [3.0, 4.0]
    assert condition.argmax(1).tolist() == [0, 9]


def test_of_the_outputs_the_digits_own_are_kept() -> None:
    images = torch.arange(60.0).view(2, 30)
    out = OwnOutput(nn.Identity())(images, torch.tensor([2, 0]))
    assert out.tolist() == [[6.0, 7.0, 8.0], [30.0, 31.0, 32.0]]


def test_only_the_digits_own_layers_get_a_gradient() -> None:
    net = nn.Linear(3, 2 * DIGITS)
    OwnOutput(net)(torch.ones(4, 3), torch.tensor([7, 7, 7, 7])).sum().backward()
    assert net.weight.grad is not None
    assert net.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [14, 15]
