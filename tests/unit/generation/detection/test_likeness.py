"""Outlines by hand, and what can be undone."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganlib.generation.detection.likeness import NEAR, difference, outline, outlines, undone
from tests import shapes


def test_an_outline_has_a_bit_where_it_gets_brighter_from_left_to_right() -> None:
    ramp = np.arange(9, dtype=np.uint8)[None, None] * 20
    assert outline(np.repeat(ramp, 8, axis=1)) == -1  # all 64 bits
    assert outline(np.repeat(ramp[..., ::-1], 8, axis=1)) == 0
    first = np.zeros((1, 8, 9), np.uint8)
    first[0, 0, 1:] = 200
    assert outline(first) == -(2**63)  # the first bit alone, which is the sign


def test_the_bits_in_which_outlines_differ_are_counted_of_negative_ones_too() -> None:
    found = difference(np.array([0, -1, 1, -(2**63)]), -1)
    assert found.tolist() == [64, 0, 63, 63]


def test_an_outline_is_of_averages_whatever_the_size() -> None:
    image = np.zeros((1, 8, 9), np.uint8)
    image[0, 3:, 4:] = 90
    assert outline(image) == outline(image.repeat(5, 1).repeat(5, 2)) != 0


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.booleans())
def test_whole_factors_and_grey_made_colour_are_undone_to_the_same_pixels(seed: int, factor: int, colour: bool) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (1, 7, 11), np.uint8)
    changed = np.repeat(image, 3 if colour else 1, axis=0).repeat(factor, 1).repeat(factor, 2)
    assert any(np.array_equal(image, before) for _, before in undone(changed))


def test_a_jpeg_of_an_image_has_nearly_its_outline_and_other_images_have_not() -> None:
    images = shapes.drawn(30, seed=4, side=64).images
    outlines = [outline(image) for image in images]
    for image, own in zip(images, outlines, strict=True):
        file = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(file, "JPEG", quality=85)
        with Image.open(file) as opened:
            other = outline(np.asarray(opened).transpose(2, 0, 1))
        assert difference(np.array([own]), other)[0] <= NEAR + 3
    far = [difference(np.array([a]), b)[0] for a, b in itertools.combinations(outlines, 2)]
    assert np.median(far) > 8


@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 28, 28), (3, 7, 11), (3, 64, 33)]))
def test_outlines_of_many_are_those_of_each(seed: int, shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (5, *shape), np.uint8)
    assert outlines(images).tolist() == [outline(image) for image in images]


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (1, 300, 4)])
def test_images_of_any_size_have_an_outline(shape: tuple[int, int, int]) -> None:
    assert -(2**63) <= outline(np.full(shape, 7, np.uint8)) < 2**63
