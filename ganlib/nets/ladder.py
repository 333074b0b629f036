"""The resolutions between a net's coarse end and the image."""

from __future__ import annotations

from ganlib.core.errors import BadInput
from ganlib.data.spec import SIDES, ImageShape

WIDEST = 8
"""No level is more than so many times as wide as the finest one: what is wider costs weights and no detail."""


def ladder(shape: ImageShape, coarsest: int) -> tuple[int, ...]:
    """Return the sides of the levels from the coarse end to the image, each half of the next one, rounded up.

    For a side of 32 they are 4, 8, 16, 32 with ``coarsest`` 4, and 8, 16, 32 with 8. MNIST's begin with 4, 7, 14
    and with 7, 14.

    Args:
        shape: of the images.
        coarsest: the first side is the largest one that is no larger than this.

    Raises:
        BadInput: the nets cannot draw such images; the nearest sides that they can draw are named.
    """
    if problem := undrawable(shape):
        raise BadInput(problem)
    sides = [shape.height]
    while sides[0] > coarsest:
        sides.insert(0, (sides[0] + 1) // 2)
    return tuple(sides)


def undrawable(shape: ImageShape) -> str | None:
    """Return why no net draws images of that shape; None if they do."""
    if shape.height != shape.width:
        return f"the nets draw square images, not {shape.height} x {shape.width}."
    if shape.height in SIDES:
        return None
    below, above = ([side for side in SIDES if side < shape.height], [side for side in SIDES if side > shape.height])
    near = [str(side) for side in (*below[-1:], *above[:1])]
    nearest = f"sides are {' and '.join(near)}" if len(near) > 1 else f"side is {near[0]}"
    return f"the nets draw no images of {shape.height} x {shape.width} pixels; the nearest {nearest}."


def widths(channels: int, levels: int) -> list[int]:
    """Return the widths of that many levels from the coarse end on: twice as wide for half the side, to a limit.

    ``channels`` is the width of the last, finest one.
    """
    return [channels * min(1 << (levels - 1 - level), WIDEST) for level in range(levels)]


def kernel(fine: int) -> int:
    """Return the side of the kernel by which a stride of two with a padding of one leads from or to ``fine`` pixels.

    Between 2n and n pixels it is 4, between 2n - 1 and n it is 3.
    """
    return 4 - fine % 2
