"""What a caption can ask of a digit beside its value: stroke thickness, slant and size, measured on pixels.

The measures are in pixels and degrees; :class:`Scale` turns them into ranks among images of the same digit, because
"a thin seven" is thin among sevens. MNIST scales nearly every digit to 20 pixels of height or width, so what varies in
size is mostly the other side: among its digits *small* means narrow and *large* means wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ganlib.core.errors import BadInput

Attribute = Literal["thickness", "slant", "size"]
ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)
"""In the order of all arrays' columns."""

QUANTILES = 256
"""Entries of a table; ranks are exact to about half of 1/256."""

_CHUNK = 1000  # images at a time, so that the work arrays stay in cache


def measure(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Stroke thickness, slant and size of each image. All zero where there is no ink.

    - thickness, pixels: twice the ink area over the length of its outline. A stroke of width w and length l has area
      w * l and an outline of 2 * l. Area is the sum of grey levels and length their total variation, which is
      perimeter by the coarea formula, so the measure is finer than a pixel and needs no threshold.
    - slant, degrees: the shear that makes the covariance of ink upright, positive where the top leans to the right
      (Castro 2019, Morpho-MNIST, section 3.1).
    - size, pixels: the side of the filled square whose ink has the same covariance determinant. A shear leaves it as
      it is, so it does not confuse a slanted digit with a wide one as a bounding box does, and stray pixels count
      little.

    Args:
        images: uint8 [n, 28, 28], 0 = background.

    Returns:
        Float32 [n, 3], in the order of ``ATTRIBUTES``.
    """
    parts = [_measure(images[start : start + _CHUNK]) for start in range(0, len(images), _CHUNK)]
    return np.concatenate([np.empty((0, len(ATTRIBUTES)), np.float32), *parts])


def _measure(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    ink = images.astype(np.float32) / np.float32(255)
    area = ink.sum((1, 2), dtype=np.float64)
    some = np.maximum(area, 1e-9)  # the numerators of an empty image are zero

    thickness = 2 * area / np.maximum(_outline(ink), 1e-9)

    height, width = ink.shape[1:]
    # Centred coordinates keep the second moments well conditioned.
    y, x = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    rows, columns = ink.sum(2, dtype=np.float64) / some[:, None], ink.sum(1, dtype=np.float64) / some[:, None]
    mean_y, mean_x = rows @ y, columns @ x
    yy, xx = rows @ y**2 - mean_y**2, columns @ x**2 - mean_x**2
    xy = (ink @ x) @ y / some - mean_x * mean_y
    slant = np.degrees(np.arctan(-xy / np.maximum(yy, 1e-9)))  # minus: rows count downwards
    size = np.sqrt(12) * np.maximum(xx * yy - xy**2, 0) ** 0.25  # a square of side a has variances a**2 / 12
    return np.stack([thickness, slant, size], axis=1).astype(np.float32)


def _outline(ink: NDArray[np.float32]) -> NDArray[np.float64]:
    """Total variation, float64 [n]: the gradient's length at each corner between four pixels, summed."""
    frame = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    across, along = np.diff(frame, axis=2), np.diff(frame, axis=1)
    across = across[:, :-1] + across[:, 1:]
    along = along[:, :, :-1] + along[:, :, 1:]
    lengths: NDArray[np.float64] = np.sqrt(across**2 + along**2).sum((1, 2), dtype=np.float64) / 2
    return lengths


@dataclass(frozen=True)
class Scale:
    """Where a measure stands among training images of the same digit."""

    table: NDArray[np.float32]
    """[10, 3, QUANTILES], ascending: entry k is the quantile at level (k + 1/2) / QUANTILES."""

    @classmethod
    def fit(cls, values: NDArray[np.float32], labels: NDArray[np.integer]) -> Scale:
        """The scale of training images.

        Args:
            values: float32 [n, 3] from :func:`measure`.
            labels: their digits, integer [n].

        Raises:
            BadInput: a digit has no image.
        """
        missing = sorted(set(range(10)) - set(np.unique(labels).tolist()))
        if missing:
            raise BadInput(f"no image of {', '.join(map(str, missing))} to rank thickness, slant and size against.")
        levels = _levels(QUANTILES)
        tables = [np.quantile(values[labels == digit], levels, axis=0).T for digit in range(10)]
        return cls(np.stack(tables).astype(np.float32))

    def ranks(self, values: NDArray[np.float32], labels: NDArray[np.integer]) -> NDArray[np.float32]:
        """Share of the digit's training images below each value, those equal to it counting half.

        Args:
            values: float32 [n, 3] from :func:`measure`.
            labels: their digits, integer [n], 0..9.

        Returns:
            Float32 [n, 3] strictly inside (0, 1).
        """
        ranks = np.empty(values.shape, np.float32)
        for digit in np.unique(labels):
            of_class = labels == digit
            for column, table in enumerate(self.table[digit]):
                ranks[of_class, column] = _rank(values[of_class, column], table)
        return ranks

    def terciles(self, values: NDArray[np.float32], labels: NDArray[np.integer]) -> NDArray[np.int64]:
        """The third of the digit's training images that each value falls in, int64 [n, 3]: 0 low, 1 middle, 2 high."""
        return np.floor(self.ranks(values, labels) * 3).astype(np.int64)


def _levels(count: int) -> NDArray[np.float64]:
    return (np.arange(count) + 0.5) / count


def _rank(values: NDArray[np.float32], table: NDArray[np.float32]) -> NDArray[np.float64]:
    """Levels of ``values`` in an ascending ``table``; a value that fills several entries is in the middle of them."""
    levels = _levels(len(table))
    first, end = np.searchsorted(table, values, "left"), np.searchsorted(table, values, "right")
    last = len(table) - 1
    middle = (levels[np.minimum(first, last)] + levels[np.maximum(end - 1, 0)]) / 2
    return np.where(first < end, middle, np.interp(values, table, levels))
