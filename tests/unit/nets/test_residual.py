"""Residual nets without normalisation: fix-up initialisation, gradients and export."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganlib.nets.residual import ResidualBlock, ResidualDiscriminator, ResidualGenerator
from tests.unit.nets.conftest import Exported


def past_the_start(net: nn.Module) -> nn.Module:
    """``net`` with the convolutions that start at zero moved away from it."""
    for module in net.modules():
        if isinstance(module, ResidualBlock):
            nn.init.normal_(module.leave.weight, 0.0, 0.1)  # type: ignore[arg-type]
    return net


@pytest.mark.parametrize("blocks", [1, 2])
def test_shapes_and_range(blocks: int) -> None:
    images = ResidualGenerator(6, 8, blocks=blocks)(torch.randn(5, 6))
    assert images.shape == (5, 1, 28, 28)
    assert images.abs().max() <= 1
    assert ResidualDiscriminator(8, blocks=blocks)(images).shape == (5,)


def test_a_new_block_is_the_identity() -> None:
    features = torch.randn(2, 16, 5, 5)
    assert torch.equal(ResidualBlock(16, 8, 3)(features), features)


def test_a_block_adds_its_branch() -> None:
    block = ResidualBlock(1, 1, 1)
    with torch.no_grad():
        block.enter.weight.fill_(2.0)
        block.mix.weight.fill_(0.0)
        block.mix.weight[0, 0, 1, 1] = 3.0
        block.leave.weight.fill_(5.0)
        block.biases.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
    # 5 * leaky(3 * leaky(2 * 1 + 1) - 1) = 40, and 5 * leaky(3 * leaky(2 * -1 + 1) - 1) = 5 * 0.2 * -1.6
    got = block(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)).flatten().tolist()
    assert got == pytest.approx([1 + 40, -1 - 1.6])


def test_no_layer_has_a_bias_and_nothing_normalises() -> None:
    for net in (ResidualGenerator(6, 8), ResidualDiscriminator(8)):
        leaves = [module for module in net.modules() if not list(module.children())]
        assert all(getattr(module, "bias", None) is None for module in leaves)
        assert not [module for module in leaves if "Norm" in type(module).__name__]


def test_gradients_reach_every_parameter_after_the_start() -> None:
    torch.manual_seed(0)
    net, judge = past_the_start(ResidualGenerator(6, 8)), past_the_start(ResidualDiscriminator(8))
    judge(net(torch.randn(4, 6))).sum().backward()
    for name, parameter in [*net.named_parameters(), *judge.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_first_gradient_moves_the_zero_convolutions() -> None:
    net = ResidualGenerator(6, 8)
    net(torch.randn(4, 6)).square().sum().backward()
    zero = [module.leave.weight.grad for module in net.modules() if isinstance(module, ResidualBlock)]
    assert len(zero) == 3
    assert all(gradient.abs().sum() > 0 for gradient in zero)


def test_variance_neither_grows_nor_vanishes_at_the_start() -> None:
    torch.manual_seed(0)
    image = ResidualGenerator(64, 8, blocks=3).grow[:-1](torch.randn(64, 32, 7, 7))
    assert 0.2 < image.std().item() < 2
    assert 0.2 < ResidualDiscriminator(8, blocks=3)(torch.randn(512, 1, 28, 28)).std().item() < 2


def test_a_penalty_on_the_gradient_reaches_the_discriminators_weights() -> None:
    torch.manual_seed(0)
    judge, images = past_the_start(ResidualDiscriminator(8)), torch.rand(4, 1, 28, 28, requires_grad=True)
    (gradient,) = torch.autograd.grad(judge(images).sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert all(
        module.mix.weight.grad.abs().sum() > 0 for module in judge.modules() if isinstance(module, ResidualBlock)
    )


def test_the_graph_draws_what_torch_draws(exported: Exported) -> None:
    torch.manual_seed(0)
    exported(past_the_start(ResidualGenerator(6, 8)), 6)
