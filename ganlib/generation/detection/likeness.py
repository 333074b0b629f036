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
    """Return :func:`outlines` of one image, uint8 [channels, height, width]."""
    return int(outlines(pixels[None])[0])


def outlines(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return 64 bits of each image, uint8 [n, channels, height, width]: where it gets brighter from left to right.

    The difference hash: an image is averaged to 9 x 8 fields, and each is compared with its neighbour.
    """
    import numpy as np

    weights = (1.0,) if images.shape[1] == 1 else _GREY
    grey = images[:, 0] * np.float32(weights[0])
    for channel, weight in enumerate(weights[1:], 1):
        grey += images[:, channel] * np.float32(weight)
    fields = _averages(_averages(grey, 8, axis=1), 9, axis=2)
    bits = np.packbits(np.diff(fields, axis=2) > 1, axis=None)
    return bits.view(">i8").astype(np.int64)


def difference(outlines: NDArray[np.int64], other: int) -> NDArray[np.uint8]:
    """Return in how many bits each of ``outlines``, int64 [n], differs from ``other``: uint8 [n]."""
    import numpy as np

    # Of a negative number bitwise_count counts the absolute value's bits.
    bits: NDArray[np.uint8] = np.bitwise_count((outlines ^ np.int64(other)).view(np.uint64))
    return bits


def _averages(values: NDArray[np.float32], count: int, axis: int) -> NDArray[np.float32]:
    """Means of ``count`` parts of equal width along ``axis``, which may cut through pixels."""
    import numpy as np

    size = values.shape[axis]
    edges = np.linspace(0, size, count + 1)
    whole = np.minimum(edges.astype(int), size)
    part = (edges - whole).astype(np.float32).reshape([-1 if place == axis else 1 for place in range(values.ndim)])
    total = values.cumsum(axis)
    at = np.where(whole.reshape(part.shape) > 0, total.take(np.maximum(whole - 1, 0), axis), np.float32(0))
    at += part * values.take(np.minimum(whole, size - 1), axis)
    means: NDArray[np.float32] = np.diff(at, axis=axis) / np.float32(size / count)
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
