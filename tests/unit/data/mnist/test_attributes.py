"""Thickness, slant and size of drawn strokes, and their ranks."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from ganlib.core.errors import BadInput
from ganlib.data.mnist.attributes import ATTRIBUTES, QUANTILES, Scale, measure

THICKNESS, SLANT, SIZE = range(3)


def stroke(width: float, shear: float = 0.0, length: float = 18.0) -> NDArray[np.uint8]:
    """An anti-aliased upright bar, sheared to the right by ``shear`` degrees. uint8 [1, 28, 28]."""
    fine = (np.arange(28 * 8) + 0.5) / 8 - 14
    y, x = np.meshgrid(fine, fine, indexing="ij")
    inside = (np.abs(x + y * np.tan(np.radians(shear))) <= width / 2) & (np.abs(y) <= length / 2)
    return np.round(inside.reshape(28, 8, 28, 8).mean((1, 3)) * 255).astype(np.uint8)[None]


def ring(radius: float, width: float) -> NDArray[np.uint8]:
    fine = (np.arange(28 * 8) + 0.5) / 8 - 14
    away = np.hypot(*np.meshgrid(fine, fine, indexing="ij"))
    inside = np.abs(away - radius) <= width / 2
    return np.round(inside.reshape(28, 8, 28, 8).mean((1, 3)) * 255).astype(np.uint8)[None]


@pytest.mark.parametrize("width", [1.5, 2.0, 2.7, 3.5, 5.0])
def test_the_thickness_of_a_ring_is_its_width_in_pixels(width: float) -> None:
    assert measure(ring(7.3, width))[0, THICKNESS] == pytest.approx(width, abs=0.2)


def test_thickness_tells_tenths_of_a_pixel_apart() -> None:
    widths = np.arange(1.0, 5.0, 0.1)
    got = np.array([measure(ring(7.0, width))[0, THICKNESS] for width in widths])
    assert (np.diff(got) > 0).all()


def test_dilation_thickens_and_erosion_thins() -> None:
    image = stroke(4.0, 15.0)[0]
    thin, thick = (f(image, size=(2, 2)) for f in (ndimage.grey_erosion, ndimage.grey_dilation))
    eroded, plain, dilated = measure(np.stack([thin, image, thick]))[:, THICKNESS]
    assert eroded < plain - 0.5
    assert dilated > plain + 0.5


@pytest.mark.parametrize("shear", [-35.0, -10.0, 0.0, 20.0, 40.0])
def test_slant_is_the_shear_in_degrees_positive_to_the_right(shear: float) -> None:
    assert measure(stroke(3.0, shear))[0, SLANT] == pytest.approx(shear, abs=1.0)


def test_size_is_the_side_of_a_square_whatever_its_shear_and_place() -> None:
    upright, leaning = stroke(12.0, 0.0, 12.0), stroke(12.0, 25.0, 12.0)
    moved = np.roll(upright, (3, -5), axis=(1, 2))
    assert measure(np.concatenate([upright, leaning, moved]))[:, SIZE] == pytest.approx([12.0] * 3, rel=0.02)


def test_a_larger_ring_is_larger_and_not_thicker() -> None:
    small, large = measure(np.concatenate([ring(5.0, 2.0), ring(8.0, 2.0)]))
    assert large[SIZE] > small[SIZE] + 4
    assert large[THICKNESS] == pytest.approx(small[THICKNESS], rel=0.05)


def test_a_stray_pixel_hardly_changes_what_is_measured() -> None:
    clean = ring(6.0, 3.0)
    stained = clean.copy()
    stained[0, 1, 1] = 255
    thickness, slant, size = np.abs(measure(stained) - measure(clean))[0]
    assert thickness < 0.1
    assert slant < 4
    assert size < 0.5


def test_images_without_ink_or_with_nothing_else_give_finite_numbers() -> None:
    images = np.stack([np.full((28, 28), level, np.uint8) for level in (0, 1, 255)])
    dot = np.zeros((1, 28, 28), np.uint8)
    dot[0, 3, 4] = 9
    got = measure(np.concatenate([images, dot]))
    assert np.isfinite(got).all()
    assert got[0].tolist() == [0.0, 0.0, 0.0]
    assert got.dtype == np.float32


def test_a_batch_is_measured_as_its_images_are_one_by_one_and_none_give_none() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2003, 28, 28), np.uint8)
    together = measure(images)
    np.testing.assert_array_equal(together[1995:], np.concatenate([measure(image[None]) for image in images[1995:]]))
    assert measure(images[:0]).shape == (0, len(ATTRIBUTES))


def test_five_thousand_images_take_less_than_two_seconds() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5000, 28, 28), np.uint8)
    start = time.process_time()
    measure(images)
    assert time.process_time() - start < 2.0


def spread(per_digit: int = 1000) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Values whose scale differs from digit to digit."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(10, dtype=np.uint8), per_digit)
    return (rng.normal(size=(len(labels), 3)) * (1 + labels[:, None]) + labels[:, None]).astype(np.float32), labels


def test_ranks_of_the_fitted_values_are_uniform_for_each_digit() -> None:
    values, labels = spread()
    ranks = Scale.fit(values, labels).ranks(values, labels)
    assert ((ranks > 0) & (ranks < 1)).all()
    for digit in range(10):
        for column in range(3):
            exact = values[labels == digit, column].argsort().argsort() / 1000
            assert np.abs(ranks[labels == digit, column] - exact).max() < 1.5 / QUANTILES


def test_terciles_hold_a_third_each() -> None:
    values, labels = spread()
    terciles = Scale.fit(values, labels).terciles(values, labels)
    assert [np.count_nonzero(terciles == k) / terciles.size for k in range(3)] == pytest.approx([1 / 3] * 3, abs=0.01)


def test_values_beyond_all_seen_keep_a_rank_inside_zero_and_one() -> None:
    values, labels = spread()
    scale = Scale.fit(values, labels)
    far = np.array([[-1e9] * 3, [1e9] * 3], np.float32)
    low, high = scale.ranks(far, np.array([4, 4]))
    assert (low > 0).all()
    assert (low < 0.01).all()
    assert (high > 0.99).all()
    assert (high < 1).all()
    assert scale.terciles(far, np.array([4, 4])).tolist() == [[0] * 3, [2] * 3]


def test_equal_values_share_the_middle_of_their_ranks() -> None:
    values = np.zeros((40, 3), np.float32)
    values[::4] = 1.0  # a quarter of each digit's images
    labels = np.repeat(np.arange(10), 4)
    ranks = Scale.fit(values, labels).ranks(np.array([[0, 0.5, 1]], np.float32), np.array([0]))
    assert ranks[0, 0] < ranks[0, 1] < ranks[0, 2]
    constant = Scale.fit(np.ones((10, 3), np.float32), np.arange(10))
    assert constant.ranks(np.ones((1, 3), np.float32), np.array([7])).tolist() == [[0.5] * 3]


def test_a_digit_without_images_is_named() -> None:
    with pytest.raises(BadInput, match="no image of 3, 8"):
        Scale.fit(np.ones((8, 3), np.float32), np.array([0, 1, 2, 4, 5, 6, 7, 9]))


def test_a_scale_survives_being_kept_as_one_float32_array() -> None:
    values, labels = spread(100)
    scale = Scale.fit(values, labels)
    assert scale.table.dtype == np.float32
    assert scale.table.shape == (10, 3, QUANTILES)
    again = Scale(np.frombuffer(scale.table.tobytes(), np.float32).reshape(scale.table.shape))
    np.testing.assert_array_equal(again.ranks(values, labels), scale.ranks(values, labels))
