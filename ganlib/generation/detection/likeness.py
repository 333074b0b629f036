"""What stays of an image that was saved, scaled or coloured anew: likenesses, which prove nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAR = 3
"""Bits of 64 in which the outlines of two likenesses of one image may differ."""
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
_MOST = 16  # times as many pixels a side


def outline(pixels: NDArray[np.uint8]) -> int:
    """Return 64 bits of an image, uint8 [channels, height, width]: where it gets brighter from left to right.

    The difference hash: the image is averaged to 9 x 8 fields, and each is compared with its neighbour.
    """
    import numpy as np

    weights = np.array([1.0] if len(pixels) == 1 else _GREY, np.float32)
    grey = np.tensordot(weights, pixels.astype(np.float32), 1)
    height, width = grey.shape
    fields = _averages(_averages(grey, 8, height), 9, width, axis=1)
    bits = np.packbits(np.diff(fields, axis=1) > 1)
    return int(bits.view(">i8")[0])


def difference(outlines: NDArray[np.int64], other: int) -> NDArray[np.uint8]:
    """Return in how many bits each of ``outlines``, int64 [n], differs from ``other``: uint8 [n]."""
    import numpy as np

    # Of a negative number bitwise_count counts the absolute value's bits.
    bits: NDArray[np.uint8] = np.bitwise_count((outlines ^ np.int64(other)).view(np.uint64))
    return bits


def _averages(values: NDArray[np.float32], count: int, size: int, axis: int = 0) -> NDArray[np.float32]:
    """Means of ``count`` parts of equal width, which may cut through pixels."""
    import numpy as np

    edges = np.linspace(0, size, count + 1)
    total = np.concatenate([np.zeros_like(values.take([0], axis)), values.cumsum(axis)], axis)
    whole = np.minimum(edges.astype(int), size)
    shape = [-1 if place == axis else 1 for place in range(2)]
    part = (edges - whole).reshape(shape)
    at = total.take(whole, axis) + part * values.take(np.minimum(whole, size - 1), axis)
    means: NDArray[np.float32] = np.diff(at, axis=axis) / (size / count)
    return means


def undone(pixels: NDArray[np.uint8]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield what an image may have been before: grey, in colour, smaller by a whole factor; each with its words."""
    import numpy as np

    grey = len(pixels) == 3 and bool((pixels == pixels[:1]).all())
    variants = [("", pixels)]
    if grey:
        variants.append(("made grey again", pixels[:1]))
    if len(pixels) == 1:
        variants.append(("made colour again", np.repeat(pixels, 3, axis=0)))
    yield from variants[1:]
    for factor in range(2, _MOST + 1):
        if pixels.shape[1] % factor or pixels.shape[2] % factor:
            continue
        for words, variant in variants:
            small = variant[:, ::factor, ::factor]
            if (small.repeat(factor, 1).repeat(factor, 2) == variant).all():
                yield f"{words + ' and ' if words else ''}made smaller by {factor}", np.ascontiguousarray(small)
