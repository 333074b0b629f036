"""A critic's gradient that is differentiated again: the same numbers as torch's own, with the zeros left out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ganlib.data.mnist.dataset import MNIST
from ganlib.nets.conv import ConvDiscriminator, minibatch_deviation
from ganlib.objectives import penalties
from ganlib.objectives.double_backward import DoubleBackward


class Critic(nn.Module):
    """Convolutions of several shapes, leaky ReLUs of two slopes, and what torch does as ever."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(4, 6, 3, (1, 2), (0, 1), groups=2, bias=False), nn.GroupNorm(2, 6), nn.LeakyReLU(0.1),
            nn.Conv2d(6, 4, 3, padding="same"), nn.Tanh(),
            nn.Conv2d(4, 4, 2, dilation=2), nn.Flatten(), nn.Linear(32, 1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images).squeeze(1)
        return logits


def of_norms(gradient: Tensor) -> Tensor:
    return (gradient.square().flatten(1).sum(1).sqrt() - 1).square().mean()


def weights_gradients(net: nn.Module, penalty: Tensor) -> dict[str, Tensor]:
    """Zeros where there is none: torch's own derivatives give those."""
    net.zero_grad()
    penalty.backward(inputs=list(net.parameters()))
    return {
        name: torch.zeros_like(each) if each.grad is None else each.grad.clone()
        for name, each in net.named_parameters()
    }


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_value_and_derivatives_are_torchs_own_whatever_the_critic_is_made_of(memory_format: Any) -> None:
    torch.manual_seed(0)
    critic = Critic().double()
    images = torch.randn(5, 1, 16, 16, dtype=torch.float64).to(memory_format=memory_format).requires_grad_(True)
    (plain,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    expected = weights_gradients(critic, of_norms(plain))
    with (twice := DoubleBackward()):
        logits = critic(images)
    gradient = twice.gradient(logits, images)
    assert torch.allclose(gradient, plain, rtol=1e-12)
    for name, value in weights_gradients(critic, of_norms(gradient)).items():
        assert torch.allclose(value, expected[name], rtol=1e-9, atol=1e-14), name
        assert name.endswith("bias") or value.abs().max() > 0, name


def test_a_loss_of_the_logits_has_its_gradients_beside_those_of_the_penalty() -> None:
    torch.manual_seed(0)
    critic = Critic().double()
    images = torch.randn(5, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    logits = critic(images)
    (plain,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    expected = weights_gradients(critic, of_norms(plain) + logits.square().mean())
    with (twice := DoubleBackward()):
        logits = critic(images)
    found = weights_gradients(critic, of_norms(twice.gradient(logits, images)) + logits.square().mean())
    for name, value in found.items():
        assert torch.allclose(value, expected[name], rtol=1e-9, atol=1e-14), name


def test_a_weights_gradient_is_what_moving_the_weight_does_to_the_penalty() -> None:
    torch.manual_seed(0)
    critic = ConvDiscriminator(MNIST.image, 4).double()
    for each in critic.parameters():
        each.data.mul_(10)  # N(0, 0.02) squared and squared again is too little to take differences of
    critic.head.weight.data[:, -1] = 0  # of the deviation
    images = torch.randn(8, 1, 28, 28, dtype=torch.float64, requires_grad=True)

    def penalty() -> Tensor:
        with (twice := DoubleBackward()):
            logits = critic(images)
        return of_norms(twice.gradient(logits, images))

    gradients = weights_gradients(critic, penalty())
    for name in ("trunk.layers.0.weight", "trunk.layers.5.weight", "dense.0.weight", "head.weight"):
        weight = dict(critic.named_parameters())[name].data.view(-1)
        place, tiny = int(gradients[name].abs().argmax()), 1e-6
        weight[place] += tiny
        above = penalty().item()
        weight[place] -= 2 * tiny
        moved = (above - penalty().item()) / (2 * tiny)
        weight[place] += tiny
        assert gradients[name].view(-1)[place].item() == pytest.approx(moved, rel=1e-5), name


def test_the_deviation_is_all_in_value_and_gradient_and_at_the_initial_weights_nearly_all_in_theirs() -> None:
    torch.manual_seed(0)
    critic = ConvDiscriminator(MNIST.image, 16).double()
    images = torch.randn(32, 1, 28, 28, dtype=torch.float64, requires_grad=True)
    features = critic.features(images)
    (of_deviation,) = torch.autograd.grad(minibatch_deviation(features, critic.group).sum(), images, retain_graph=True)
    (of_features,) = torch.autograd.grad(features.mean(dim=1).sum(), images)
    assert of_deviation.norm() > 0.1 * of_features.norm()  # it would be missed
    (plain,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    expected = weights_gradients(critic, of_norms(plain))
    with (twice := DoubleBackward()):
        logits = critic(images)
    assert torch.allclose(logits, critic(images), rtol=1e-12)
    gradient = twice.gradient(logits, images)
    assert torch.allclose(gradient, plain, rtol=1e-9)
    found = weights_gradients(critic, of_norms(gradient))
    for name in (name for name in found if name.endswith("weight")):
        assert (found[name] - expected[name]).norm() <= 0.01 * expected[name].norm(), name
    biases = [name for name in found if name.endswith("bias")]  # of which it knows nothing
    assert not any(found[name].any() for name in biases)
    assert max(expected[name].norm() for name in biases) < 0.01 * max(each.norm() for each in expected.values())


class Counted(TorchDispatchMode):
    """Counts operators, and what convolutions' backward passes are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(function).removesuffix(".default")
        if name == "aten.convolution_backward":
            name += "".join(f" {what}" for what, asked in zip(("inputs", "weight"), args[-1], strict=False) if asked)
        self.found[name] += 1
        return function(*args, **(kwargs or {}))


def test_no_convolution_is_run_for_what_is_zero() -> None:
    critic = ConvDiscriminator(MNIST.image, 8)
    real, fake = torch.randn(2, 8, 1, 28, 28)
    with Counted() as counted:
        penalty = penalties.one_centred(critic, real, fake)
    # Forwards, and back to the images.
    assert {key: n for key, n in counted.found.items() if "conv" in key} == {
        "aten.convolution": 3, "aten.convolution_backward inputs": 3,
    }  # fmt: skip
    with Counted() as counted:
        penalty.backward(inputs=list(critic.parameters()))
    # The way to the images once more, now from them, with each weight's gradient: nothing returns to the images.
    assert {key: n for key, n in counted.found.items() if "conv" in key} == {
        "aten.convolution": 3, "aten.convolution_backward weight": 3,
    }  # fmt: skip


def test_outside_everything_is_as_it_was() -> None:
    with DoubleBackward():
        pass
    images = torch.randn(2, 1, 4, 4, requires_grad=True)
    out = F.leaky_relu(F.conv2d(images, torch.randn(1, 1, 3, 3)), 0.2)
    assert type(out.grad_fn).__name__ == "LeakyReluBackward0"
