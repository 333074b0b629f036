"""Self-attention and spectral normalisation, alone and in the nets, through averaging, saving and export."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganlib.data.mnist.dataset import MNIST
from ganlib.nets.attention import SelfAttention, SelfAttentionDiscriminator, SelfAttentionGenerator, SpectralNorm
from ganlib.training.ema import Ema
from tests.unit.nets.conftest import Exported


def generator() -> SelfAttentionGenerator:
    """Not quite new: attention takes part, and BatchNorm has statistics."""
    torch.manual_seed(0)
    net = SelfAttentionGenerator(MNIST.image, 6, 8)
    with torch.no_grad():
        net.attend.gamma.fill_(0.7)
        net(torch.randn(32, 6))
    return net


def norms(net: nn.Module) -> dict[str, float]:
    """The largest singular value of every normalised weight in use, exactly."""
    found = {}
    for name, module in net.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            weight: Tensor = module.weight  # type: ignore[assignment]
            outputs = 1 if isinstance(module, nn.ConvTranspose2d) else 0
            found[name] = torch.linalg.matrix_norm(weight.transpose(0, outputs).flatten(1), 2).item()
    return found


def train(net: nn.Module, steps: int, ema: Ema | None = None) -> None:
    """Fit one picture, fast enough for the weights to move far."""
    optimizer, target = torch.optim.Adam(net.parameters(), 5e-3), torch.randn(1, 1, 28, 28)
    for step in range(steps):
        optimizer.zero_grad()
        (net(torch.randn(8, 6)) - target).square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if ema is not None:
            ema.update(net, batch=8, images_seen=8 * (step + 1))


def test_a_new_attention_block_is_the_identity() -> None:
    features = torch.randn(2, 16, 6, 6)
    assert torch.equal(SelfAttention(16)(features), features)


def test_attention_reads_the_pooled_values_by_the_weights_of_its_map() -> None:
    torch.manual_seed(0)
    block, features = SelfAttention(16).eval(), torch.randn(2, 16, 6, 6)
    block.gamma.data.fill_(2.0)
    weights = block.map(features)
    values = torch.nn.functional.max_pool2d(block.value(features), 2).flatten(2)
    read = torch.einsum("bqk,bck->bcq", weights, values).unflatten(2, (6, 6))
    assert torch.allclose(block(features), features + 2 * block.result(read), atol=1e-5)


def test_every_query_spreads_a_weight_of_one() -> None:
    maps = generator().eval().attention(torch.randn(3, 6))
    assert maps.shape == (3, 196, 49)
    assert maps.min() >= 0
    assert torch.allclose(maps.sum(dim=2), torch.ones(3, 196), atol=1e-5)


def test_shapes_and_range() -> None:
    images = generator()(torch.randn(5, 6))
    assert images.shape == (5, 1, 28, 28)
    assert images.abs().max() <= 1
    assert SelfAttentionDiscriminator(MNIST.image, 8)(images).shape == (5,)


def test_gradients_reach_every_parameter() -> None:
    net, judge = generator(), SelfAttentionDiscriminator(MNIST.image, 8)
    judge.layers[4].gamma.data.fill_(0.7)  # type: ignore[union-attr, operator]
    judge(net(torch.randn(8, 6))).sum().backward()
    for name, parameter in [*net.named_parameters(), *judge.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_spectral_norm_divides_by_the_largest_singular_value() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.diag(torch.tensor([4.0, 1.0]))
    parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight, outputs=0))
    assert torch.allclose(layer.weight, torch.diag(torch.tensor([1.0, 0.25])), atol=1e-4)


@pytest.mark.parametrize(
    ("make", "count"),
    [(lambda: SelfAttentionGenerator(MNIST.image, 6, 8), 8), (lambda: SelfAttentionDiscriminator(MNIST.image, 8), 9)],
)
def test_every_layer_of_both_nets_has_spectral_norm_one(make: Callable[[], nn.Module], count: int) -> None:
    torch.manual_seed(0)
    net = make()
    layers = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    found = norms(net)
    assert len(found) == len(layers) == count
    assert list(found.values()) == pytest.approx([1.0] * count, abs=0.01)


def test_norms_stay_one_in_training_and_in_the_moving_average() -> None:
    net = generator()
    ema = Ema(net, 5000)
    train(net, 60, ema)
    for module in (net, ema.module):
        assert list(norms(module).values()) == pytest.approx([1.0] * 8, abs=0.01)


def test_a_net_in_eval_mode_does_not_change_by_being_used() -> None:
    net, noise = generator().eval(), torch.randn(3, 6)
    before, first = copy.deepcopy(net.state_dict()), net(noise)
    assert torch.equal(net(noise), first)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_a_copy_and_a_restored_state_draw_the_same() -> None:
    net, noise = generator(), torch.randn(3, 6)
    train(net, 3)
    restored = SelfAttentionGenerator(MNIST.image, 6, 8)
    restored.load_state_dict(net.state_dict())
    expected = net.eval()(noise)
    assert torch.equal(copy.deepcopy(net)(noise), expected)
    assert torch.equal(restored.eval()(noise), expected)


def test_a_restored_net_trains_on_bit_for_bit() -> None:
    net = generator()
    restored = SelfAttentionGenerator(MNIST.image, 6, 8)
    restored.load_state_dict(net.state_dict())
    for module in (net, restored):
        torch.manual_seed(1)
        train(module, 3)
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in restored.state_dict().items())


def test_the_graph_draws_what_torch_draws_and_holds_plain_weights(exported: Exported) -> None:
    net = generator()
    train(net, 5)
    graph = exported(net, 6).graph
    assert not [initializer.name for initializer in graph.initializer if "parametrizations" in initializer.name]
    assert not {"ReduceL2", "ReduceSum", "Sqrt"} & {node.op_type for node in graph.node}
