"""Contact sheets."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ganlib.generation.pictures.contact_sheet import contact_sheet


def opened(data: bytes) -> np.ndarray:
    """The pixels of a PNG."""
    return np.asarray(Image.open(io.BytesIO(data), formats=["PNG"]))


def test_each_image_is_found_enlarged_in_its_place() -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 1, 28, 28), np.uint8)
    sheet = opened(contact_sheet(images, None, columns=3, scale=2, padding=4))
    assert sheet.shape == (3 * 60 + 4, 3 * 60 + 4)
    for at, image in enumerate(images):
        top, left = 4 + at // 3 * 60, 4 + at % 3 * 60
        cell = sheet[top : top + 56, left : left + 56]
        for corner in (cell[::2, ::2], cell[1::2, 1::2]):
            np.testing.assert_array_equal(corner, image[0])


def test_without_columns_the_sheet_is_about_square() -> None:
    assert opened(contact_sheet(np.zeros((100, 1, 28, 28), np.uint8), None, scale=1, padding=0)).shape == (280, 280)


def test_fewer_images_than_columns_make_no_empty_columns() -> None:
    assert opened(contact_sheet(np.zeros((2, 1, 28, 28), np.uint8), None, columns=10, scale=1, padding=0)).shape == (
        28,
        56,
    )
