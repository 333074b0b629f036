"""What a split must look like before anything is trained on it."""

from __future__ import annotations

import numpy as np

from ganlib.core.errors import BadInput
from ganlib.data.splits import Split

SMALLEST_SHARE, LARGEST_SHARE = 0.02, 0.30
"""Of one digit in a split. MNIST's shares are 0.089 to 0.114."""
LIGHTEST_BORDER = 64.0
"""Mean grey level of the outermost pixels. MNIST's is below 0.1; an inverted set's is near 255."""


def check(name: str, split: Split) -> None:
    """Refuse a split that is not ten digits in fair shares, light on a dark background.

    Raises:
        BadInput: says which split, which digit or image, and what was found.
    """
    _balance(name, split.labels)
    _pixels(name, split.images)


def _balance(name: str, labels: np.ndarray) -> None:
    counts = np.bincount(labels, minlength=10)
    absent = np.flatnonzero(counts == 0)
    if len(absent):
        raise BadInput(f"{name} split: no image of digit {', '.join(map(str, absent))} among {len(labels):,}.")
    shares = counts / len(labels)
    for digit, share in enumerate(shares):
        if not SMALLEST_SHARE <= share <= LARGEST_SHARE:
            raise BadInput(
                f"{name} split: digit {digit} is {share:.1%} of {len(labels):,} images; "
                f"between {SMALLEST_SHARE:.0%} and {LARGEST_SHARE:.0%} is wanted."
            )


def _pixels(name: str, images: np.ndarray) -> None:
    flat = images.reshape(len(images), -1)
    blank = np.flatnonzero(flat.min(axis=1) == flat.max(axis=1))
    if len(blank):
        raise BadInput(
            f"{name} split: {len(blank):,} of {len(images):,} images are of one grey level only, "
            f"first image {blank[0]} (all {flat[blank[0], 0]})."
        )
    rows = [images[..., 0, :], images[..., -1, :], images[..., 1:-1, 0], images[..., 1:-1, -1]]
    border = np.concatenate(rows, axis=-1)
    if (lightness := float(border.mean())) > LIGHTEST_BORDER:
        raise BadInput(
            f"{name} split: the images' borders have mean grey level {lightness:.0f}; "
            "digits must be light on a dark background (0). Invert the images."
        )
