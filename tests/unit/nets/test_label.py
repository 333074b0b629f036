"""Nets that are told the class."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganlib.nets.label import ONE_HOT, LabelledNet, OwnInput, OwnOutput, condition_width, latent_width


class Seen(nn.Module):
    """Gives back both arguments in one row."""

    def forward(self, first: Tensor, condition: Tensor) -> Tensor:
        return torch.cat([first, condition], dim=1)


def test_a_latent_vector_reaches_its_classs_columns_alone() -> None:
    latent = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    out = OwnInput(Seen(), 2, 10)(latent, torch.tensor([0, 9]))
    first, condition = out.split([20, 10], dim=1)
    assert first[0].tolist() == [1.0, 2.0] + 18 * [0.0]
    assert first[1].tolist() == 18 * [0.0] + [3.0, 4.0]
    assert condition.argmax(1).tolist() == [0, 9]


def test_of_the_outputs_the_classs_own_are_kept() -> None:
    images = torch.arange(60.0).view(2, 30)
    out = OwnOutput(nn.Identity(), 3, 10)(images, torch.tensor([2, 0]))
    assert out.tolist() == [[6.0, 7.0, 8.0], [30.0, 31.0, 32.0]]


def test_only_the_classs_own_layers_get_a_gradient() -> None:
    net = nn.Linear(3, 2 * 10)
    OwnOutput(net, 2, 10)(torch.ones(4, 3), torch.tensor([7, 7, 7, 7])).sum().backward()
    assert net.weight.grad is not None
    assert net.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [14, 15]


@pytest.mark.parametrize("classes", [2, ONE_HOT, ONE_HOT + 1, 1000])
def test_any_number_of_classes_makes_a_difference_to_the_net_and_its_width_is_limited(classes: int) -> None:
    torch.manual_seed(0)
    labels, latent = torch.tensor([0, classes - 1]), torch.ones(2, 5)
    for net, width in (
        (LabelledNet(Seen(), classes), 5 + condition_width(classes)),
        (OwnInput(Seen(), 5, classes), latent_width(5, classes) + condition_width(classes)),
    ):
        out = net(latent, labels)
        assert out.shape == (2, width)
        assert not torch.equal(out[0], out[1])
        assert width <= 6 * ONE_HOT
    own = OwnOutput(nn.Identity(), 4, classes)
    assert own(torch.rand(2, latent_width(4, classes)), labels).shape == (2, 4)


def test_of_many_classes_each_has_an_affine_map_of_its_own() -> None:
    own = OwnOutput(nn.Identity(), 2, 100)
    own(torch.ones(3, 2), torch.tensor([7, 7, 9])).sum().backward()
    assert own.map is not None
    grown = own.map.matrix.weight.grad
    assert grown is not None
    assert grown.abs().sum(1).nonzero().flatten().tolist() == [7, 9]
