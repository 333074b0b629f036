"""Finished pixels."""

from __future__ import annotations

import torch

from ganlib.export.sampler import Sampler, to_pixels
from tests.unit.export.nets import NOISE_DIM, trained_like


def test_the_ends_of_the_range_become_black_and_white_and_the_middle_rounds_half_up() -> None:
    levels = to_pixels(torch.tensor([-1.0, 0.0, 1.0, 2 * 10.4 / 255 - 1, 2 * 10.6 / 255 - 1]))
    assert levels.tolist() == [0, 128, 255, 10, 11]
    assert levels.dtype == torch.uint8


def test_values_outside_the_range_are_clipped_and_do_not_wrap_round() -> None:
    assert to_pixels(torch.tensor([-1.5, -1e9, 1.01, 1e9])).tolist() == [0, 0, 255, 255]


def test_every_grey_level_survives_the_way_to_the_net_s_range_and_back() -> None:
    grey = torch.arange(256, dtype=torch.float32)
    assert to_pixels(grey / 127.5 - 1).tolist() == list(range(256))


def test_the_sampler_s_images_are_the_net_s_in_grey_levels() -> None:
    net = trained_like().eval()
    noise = torch.randn(3, NOISE_DIM)
    with torch.no_grad():
        images, values = Sampler(net)(noise), net(noise)
    assert images.shape == (3, 1, 28, 28)
    assert (images.float() - (values * 127.5 + 127.5)).abs().max() <= 0.5 + 1e-3
