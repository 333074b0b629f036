"""Pictures of pages, before they go into docs/images."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tests.support.screenshots import MOST_BYTES, small


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of RGB pixels."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_a_page_of_few_colours_keeps_them() -> None:
    page = np.full((600, 800, 3), 255, np.uint8)
    page[100:200, 100:700] = (3, 87, 214)
    with Image.open(io.BytesIO(small(png(page)))) as made:
        assert np.array_equal(np.asarray(made.convert("RGB")), page)


def test_what_is_too_large_loses_colours_until_it_is_small_enough_or_has_sixteen() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 600, 3), dtype=np.uint8)
    for side, colours, fits in ((100, 128, True), (400, 16, False)):
        made = small(png(noise[:side]))
        assert (len(made) <= MOST_BYTES) is fits
        with Image.open(io.BytesIO(made)) as image:
            assert len(image.getcolors() or ()) == colours
