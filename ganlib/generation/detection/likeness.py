"""What stays of an image that was saved, scaled or coloured anew: likenesses, which prove nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAR = 2.0
"""Levels of 255, root mean square over the fields, in which likenesses of one image may differ."""
SIDE = 8
"""Fields across an image and down."""
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
_MOST = 16  # times as many pixels a side
_AT_ONCE = 2**15  # rows that fit a processor's cache


def fields(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return how bright each of 8 x 8 fields of each image is: uint8 [n, 64] of uint8 [n, channels, height, width]."""
    import numpy as np

    weights = (1.0,) if images.shape[1] == 1 else _GREY
    grey = images[:, 0] * np.float32(weights[0])
    for channel, weight in enumerate(weights[1:], 1):
        grey += images[:, channel] * np.float32(weight)
    means = _averages(_averages(grey, SIDE, axis=1), SIDE, axis=2)
    return np.rint(means).clip(0, 255).astype(np.uint8).reshape(len(images), -1)


class Likenesses:
    """The fields of many images, in which to find the one that another is most like."""

    def __init__(self, table: NDArray[np.uint8]) -> None:
        """``table`` is uint8 [n, 64], of :func:`fields`."""
        import numpy as np

        sums = table.sum(axis=1, dtype=np.int32)
        self._order = sums.argsort(kind="stable")
        self._sums, self._table = sums[self._order], table[self._order]

    def nearest(self, own: NDArray[np.uint8]) -> tuple[int, float] | None:
        """Return the row that differs least from ``own``, uint8 [64], and by how many levels; None: by over NEAR."""
        import numpy as np

        # By as much as means differ, the root mean square does at least: no others are looked at.
        reach = NEAR * own.size
        bounds = int(own.sum()) - reach, int(own.sum()) + reach
        first, stop = self._sums.searchsorted(bounds[0], "left"), self._sums.searchsorted(bounds[1], "right")
        best = (NEAR, -1)
        for start in range(first, stop, _AT_ONCE):
            apart = self._table[start : min(start + _AT_ONCE, stop)].astype(np.float32) - own
            squares = np.einsum("ij,ij->i", apart, apart)
            at = int(squares.argmin())
            best = min(best, (float(np.sqrt(squares[at] / own.size)), start + at), key=lambda pair: (pair[0], -pair[1]))
        return None if best[1] < 0 else (int(self._order[best[1]]), best[0])


def _averages(values: NDArray[np.float32], count: int, axis: int) -> NDArray[np.float32]:
    """Means of ``count`` parts of equal width along ``axis``, which may cut through pixels."""
    import numpy as np

    size = values.shape[axis]
    edges = np.linspace(0, size, count + 1)
    whole = np.minimum(edges.astype(int), size)
    along = [-1 if place == axis else 1 for place in range(values.ndim)]
    part, inside = ((edges - whole).reshape(along).astype(np.float32), (whole > 0).reshape(along).astype(np.float32))
    before = values.cumsum(axis).take(np.maximum(whole - 1, 0), axis) * inside
    at = before + part * values.take(np.minimum(whole, size - 1), axis)
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
