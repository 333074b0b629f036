"""Likenesses: fields by hand, the nearest of many, and what can be undone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganlib.generation.detection.likeness import NEAR, Likenesses, fields, undone
from tests import shapes


def test_fields_are_means_of_parts_that_may_cut_through_pixels() -> None:
    ramp = np.arange(16, dtype=np.uint8)[None, None, None] * 16
    found = fields(np.repeat(ramp, 5, axis=2)).reshape(8, 8)
    assert (found == [8, 40, 72, 104, 136, 168, 200, 232]).all()
    thirds = np.array([[[[0, 120, 240]]]], np.uint8)  # each field is three eighths of a pixel
    assert fields(thirds).reshape(8, 8)[0].tolist() == [0, 0, 40, 120, 120, 200, 240, 240]


def test_fields_are_the_same_whatever_the_size_or_the_colour_of_a_grey_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 1, 11, 7), np.uint8)
    assert (fields(image.repeat(5, 2).repeat(5, 3)).astype(int) - fields(image)).max() <= 1
    assert (fields(image.repeat(3, 1)).astype(int) - fields(image)).max() <= 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(0, 8))
def test_the_nearest_is_the_one_that_a_look_at_all_finds(seed: int, count: int, levels: int) -> None:
    draw = np.random.default_rng(seed)
    table = draw.integers(0, 256, (count, 64), np.uint8)
    own = (table[0].astype(int) + draw.integers(-levels, levels + 1, 64)).clip(0, 255).astype(np.uint8)
    apart = np.sqrt(np.square(table.astype(np.float32) - own).mean(axis=1))
    found = Likenesses(table).nearest(own)
    if apart.min() > NEAR:
        assert found is None
    else:
        assert found == (pytest.approx(apart.argmin()), pytest.approx(apart.min(), abs=1e-5))


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.booleans())
def test_whole_factors_and_grey_made_colour_are_undone_to_the_same_pixels(seed: int, factor: int, colour: bool) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (1, 7, 11), np.uint8)
    changed = np.repeat(image, 3 if colour else 1, axis=0).repeat(factor, 1).repeat(factor, 2)
    assert any(np.array_equal(image, before) for _, before in undone(changed))


@pytest.mark.parametrize("quality", [75, 95])
def test_a_jpeg_of_an_image_is_nearest_to_it_and_other_images_are_near_to_none(quality: int) -> None:
    images = shapes.drawn(60, seed=4, side=32).images
    table = Likenesses(fields(images[:30]))
    for number, image in enumerate(images):
        file = io.BytesIO()
        large = image.transpose(1, 2, 0).repeat(3, 0).repeat(3, 1)
        Image.fromarray(large).save(file, "JPEG", quality=quality)
        with Image.open(file) as opened:
            found = table.nearest(fields(np.asarray(opened).transpose(2, 0, 1)[None])[0])
        assert (found and found[0]) == (number if number < 30 else None)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (1, 300, 4)])
def test_images_of_any_size_have_fields(shape: tuple[int, int, int]) -> None:
    assert (fields(np.full((2, *shape), 7, np.uint8)) == 7).all()
