"""What a conditional generator is asked for where nobody asks for anything in particular."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Condition = Literal["label", "caption"]
"""Names of the inputs that a graph can have besides ``noise``."""


def draw(condition: Condition, random: np.random.Generator, count: int) -> NDArray[np.int64]:
    """``count`` conditions, uniform: digits int64 [count], or captions as UTF-8 bytes int64 [count, length].

    A caption names a uniform digit and perhaps terciles of thickness, slant and size, in wordings that no text
    encoder was trained on.
    """
    if condition == "label":
        return random.integers(0, 10, count)
    from ganlib.data.mnist import captions

    return captions.draw(random, count, held_out=True)[0]
