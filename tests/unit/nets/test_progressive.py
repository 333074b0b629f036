"""Progressive growing: the schedule, the layers by hand, and that what is exported is what was trained."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ganlib.data.mnist.dataset import MNIST
from ganlib.nets.progressive import (
    FADE_STEPS,
    EqualisedConv2d,
    EqualisedLinear,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    pixel_norm,
    reals_at,
    schedule,
)
from ganlib.training.ema import Ema
from tests.unit.nets.conftest import Exported

GROWTH = [(0, 1.0), (1, 0.25), (1, 1.0), (2, 0.5), (2, 1.0)]


def generator(channels: int = 8) -> ProgressiveGenerator:
    torch.manual_seed(0)
    return ProgressiveGenerator(MNIST.image, 6, channels)


def enlarged(images: torch.Tensor) -> torch.Tensor:
    factor = 28 // images.shape[2]
    return images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)


@pytest.mark.parametrize("horizon", [1, 2, 7, 100, 4321])
def test_growth_never_falls_and_ends_with_the_whole_net(horizon: int) -> None:
    progress = [schedule(step, horizon, 2) for step in range(horizon)]
    assert progress == sorted(progress)
    assert progress[-1] == (2, 1.0)
    assert schedule(horizon + 5, horizon, 2) == (2, 1.0)
    assert all(0 < alpha <= 1 for _, alpha in progress)


def test_the_schedule_holds_a_level_fades_the_next_in_and_gives_most_steps_to_the_whole_net() -> None:
    progress = [schedule(step, 1000, 2) for step in range(1000)]
    assert [progress.count((level, 1.0)) for level in range(3)] == pytest.approx([60, 60, 720], abs=2)
    assert progress[59] == (0, 1.0)
    assert progress[60][0] == 1
    assert progress[60][1] == pytest.approx(1 / 80, abs=2 / FADE_STEPS)
    assert progress[99] == (1, pytest.approx(0.5, abs=2 / FADE_STEPS))


def test_shares_that_leave_nothing_to_the_whole_net_still_end_with_it() -> None:
    assert schedule(99, 100, 2, stabilise=1.0, fade=1.0) == (2, 1.0)


def test_every_alpha_of_the_schedule_is_exact_in_the_generators_integers() -> None:
    for step in range(1000):
        alpha = schedule(step, 1000, 2)[1] * FADE_STEPS
        assert alpha == int(alpha)


@pytest.mark.parametrize(("level", "alpha"), GROWTH)
def test_sizes_follow_the_level(level: int, alpha: float) -> None:
    side = 7 * 2**level
    images = generator().at(torch.randn(5, 6), level, alpha)
    assert images.shape == (5, 1, side, side)
    assert images.abs().max() <= 1
    assert reals_at(torch.rand(5, 1, 28, 28), level, alpha, 2).shape == (5, 1, side, side)
    assert ProgressiveDiscriminator(MNIST.image, 8)(images, level, alpha).shape == (5,)


@pytest.mark.parametrize(("level", "alpha"), [(0, 1.0), *(schedule(step, 50, 2) for step in range(50))])
def test_forward_draws_what_training_drew_enlarged(level: int, alpha: float) -> None:
    net, noise = generator(), torch.randn(3, 6)
    net.grow(level, alpha)
    assert torch.allclose(net(noise), enlarged(net.at(noise, level, alpha)), atol=1e-6)


def test_a_moving_average_draws_with_the_levels_of_now() -> None:
    net = generator()
    ema = Ema(net, 5000)
    for level, alpha in GROWTH:
        net.grow(level, alpha)
        ema.update(net, batch=8, images_seen=8)
        assert torch.equal(ema.module.blend, net.blend)


def test_the_levels_are_part_of_the_saved_state() -> None:
    net, other, noise = generator(), ProgressiveGenerator(MNIST.image, 6, 8), torch.randn(3, 6)
    net.grow(2, 0.5)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(noise), net(noise))


@pytest.mark.parametrize(("level", "alpha"), [(0, 1.0), (2, 0.5), (2, 1.0)])
def test_the_graph_draws_what_torch_draws_while_growing(level: int, alpha: float, exported: Exported) -> None:
    net = generator()
    net.grow(level, alpha)
    graph = exported(net, 6).graph
    assert not {"If", "Loop", "Scan"} & {node.op_type for node in graph.node}


def test_gradients_reach_every_parameter_once_both_levels_are_mixed() -> None:
    net, judge, noise = generator(), ProgressiveDiscriminator(MNIST.image, 8), torch.randn(8, 6)
    judge(net.at(noise, 2, 0.5), 2, 0.5).sum().backward()
    judge(net.at(noise, 1, 0.5), 1, 0.5).sum().backward()
    for name, parameter in [*net.named_parameters(), *judge.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_level_not_reached_gets_no_gradient() -> None:
    net = generator()
    net.at(torch.randn(4, 6), 1, 1.0).sum().backward()
    idle = {name for name, parameter in net.named_parameters() if parameter.grad is None}
    assert {name.rsplit(".", 1)[0] for name in idle} == {
        "refine.1.narrow",
        "refine.1.smooth",
        "to_image.0",
        "to_image.2",
    }


def test_reals_are_means_of_squares_and_mix_with_the_level_below() -> None:
    images = torch.arange(784.0).view(1, 1, 28, 28)
    assert reals_at(images, 2, 1.0, 2) is images
    assert reals_at(images, 1, 1.0, 2)[0, 0, 0, 0] == (0 + 1 + 28 + 29) / 4
    assert reals_at(images, 0, 1.0, 2)[0, 0, 0, 0] == images[0, 0, :4, :4].mean()
    fading = reals_at(images, 2, 0.25, 2)
    assert fading[0, 0, 0, 0] == pytest.approx(0.75 * 14.5 + 0.25 * 0)
    assert fading[0, 0, 1, 1] == pytest.approx(0.75 * 14.5 + 0.25 * 29)


def test_reals_and_fakes_of_a_fading_level_are_mixed_alike() -> None:
    """An image that has nothing finer than the level below does not change while it fades in."""
    images = enlarged(torch.rand(2, 1, 7, 7))
    assert torch.allclose(reals_at(images, 1, 0.3, 2), reals_at(images, 1, 1.0, 2), atol=1e-6)


def test_equalised_layers_store_standard_normal_weights_and_scale_them_by_their_fan_in() -> None:
    torch.manual_seed(0)
    conv, linear = EqualisedConv2d(16, 32, 3), EqualisedLinear(50, 200, gain=1.0)
    assert conv.scale == pytest.approx(math.sqrt(2 / (16 * 9)))
    assert linear.scale == pytest.approx(1 / math.sqrt(50))
    for layer in (conv, linear):
        assert layer.weight.std().item() == pytest.approx(1, abs=0.05)
    features, rows = torch.randn(2, 16, 5, 5), torch.randn(2, 50)
    assert torch.allclose(conv(features), F.conv2d(features, conv.weight * math.sqrt(2 / 144), padding=1), atol=1e-5)
    assert torch.allclose(linear(rows), rows @ linear.weight.t() / math.sqrt(50), atol=1e-5)


def test_pixel_norm_divides_by_the_root_mean_square_of_each_pixel() -> None:
    features = torch.tensor([[3.0, 4.0], [0.0, 10.0]]).view(2, 2, 1, 1)
    expected = [3 / math.sqrt(12.5), 4 / math.sqrt(12.5), 0, 10 / math.sqrt(50)]
    assert pixel_norm(features).flatten().tolist() == pytest.approx(expected)


def test_the_discriminator_sees_how_much_a_batch_varies() -> None:
    torch.manual_seed(0)
    judge, image = ProgressiveDiscriminator(MNIST.image, 8), torch.rand(1, 1, 28, 28)
    alone = judge(image.expand(8, -1, -1, -1), 2, 1.0)
    varied = judge(torch.cat([image, torch.rand(7, 1, 28, 28)]), 2, 1.0)
    assert alone[0].item() != pytest.approx(varied[0].item(), abs=1e-4)
