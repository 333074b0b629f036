"""MNIST's four files. Wherever they come from, only these bytes count."""

from __future__ import annotations

import numpy as np

from ganlib.core.errors import Corrupt
from ganlib.core.files import sha256_bytes
from ganlib.data import idx

SIDE = 28
"""Of an image, in pixels."""
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

SHA256 = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of the decompressed IDX files."""


def verified(name: str, data: bytes) -> bytes:
    """``data`` if it is MNIST's file ``name``.

    Raises:
        Corrupt: it is not.
    """
    if (actual := sha256_bytes(data)) != SHA256[name]:
        raise Corrupt(name, expected=SHA256[name], actual=actual)
    return data


def images(data: bytes, name: str) -> np.ndarray:
    """Return the images of an IDX file, uint8 [n, 28, 28]; :class:`BadInput` with the offset where it is none."""
    return idx.parse(data, name, (SIDE, SIDE))


def labels(data: bytes, name: str) -> np.ndarray:
    """Return the labels of an IDX file, uint8 [n], each 0..9; :class:`BadInput` with the offset otherwise."""
    values = idx.parse(data, name, idx.LABEL)
    wrong = np.flatnonzero(values > 9)
    if len(wrong):
        raise idx.refusal(name, 8 + int(wrong[0]), f"label {values[wrong[0]]} is not a digit")
    return values
