"""The resolutions of a net's levels."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ganlib.core.errors import BadInput
from ganlib.data.spec import SIDES, ImageShape
from ganlib.nets.ladder import WIDEST, kernel, ladder, undrawable, widths


def shape(side: int, width: int | None = None) -> ImageShape:
    return ImageShape(channels=1, height=side, width=width or side)


@pytest.mark.parametrize(
    ("side", "coarsest", "expected"),
    [
        (28, 4, (4, 7, 14, 28)), (28, 8, (7, 14, 28)), (16, 4, (4, 8, 16)), (16, 8, (8, 16)), (32, 4, (4, 8, 16, 32)),
        (32, 8, (8, 16, 32)), (64, 4, (4, 8, 16, 32, 64)), (128, 8, (8, 16, 32, 64, 128)),
    ],
)  # fmt: skip
def test_levels_double_from_the_coarse_end_to_the_image(side: int, coarsest: int, expected: tuple[int, ...]) -> None:
    assert ladder(shape(side), coarsest) == expected


@pytest.mark.parametrize("side", SIDES)
def test_strided_convolutions_lead_from_level_to_level_and_back(side: int) -> None:
    import torch
    from torch import nn

    sides = ladder(shape(side), 4)
    for coarse, fine in pairwise(sides):
        size = kernel(fine)
        assert nn.Conv2d(1, 1, size, 2, 1)(torch.zeros(1, 1, fine, fine)).shape[-1] == coarse
        assert nn.ConvTranspose2d(1, 1, size, 2, 1)(torch.zeros(1, 1, coarse, coarse)).shape[-1] == fine


def test_widths_double_towards_the_coarse_end_up_to_a_limit() -> None:
    assert widths(3, 3) == [12, 6, 3]
    assert widths(2, 6)[:3] == [2 * WIDEST] * 3


@pytest.mark.parametrize(
    ("side", "nearest"), [(8, "side is 16."), (24, "are 16 and 28."), (100, "are 64 and 128."), (256, "side is 128.")]
)
def test_other_sides_are_refused_with_the_nearest_ones(side: int, nearest: str) -> None:
    problem = undrawable(shape(side))
    assert problem
    assert problem.endswith(nearest)
    with pytest.raises(BadInput, match=f"{side} x {side}"):
        ladder(shape(side), 4)


def test_images_that_are_not_square_are_refused() -> None:
    assert "square" in (undrawable(shape(32, 64)) or "")
