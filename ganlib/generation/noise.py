"""The noise of image i, as a pure function of (seed, i).

Philox (Salmon 2011, "Parallel random numbers: as easy as 1, 2, 3") is counter-based: a block of images has a
stretch of the counter to itself, so blocks can be drawn in any order, on any machine, without drawing those
before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganlib.core.errors import BadInput
from ganlib.core.seeds import NOISE_SEEDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 64
"""Images a block: what one call of onnxruntime works on, always, so that no image depends on their number."""

ALGORITHM = f"philox4x64-10, numpy ziggurat float32, blocks of {BLOCK}, version 1"
"""Changes whenever the same (seed, i) would give other noise."""


def noise_block(seed: int, block: int, noise_dim: int) -> NDArray[np.float32]:
    """Standard normal float32 ``[64, noise_dim]``: row r is the noise of image ``64 * block + r``.

    Args:
        seed: 0 to 2**64 - 1, Philox's key.
        block: 0 or more; goes into the counter's third word, so that each block has 2**128 numbers to itself.
        noise_dim: width of the noise.
    """
    import numpy as np

    return philox(seed, block, 0).standard_normal((BLOCK, noise_dim), np.float32)


def philox(seed: int, block: int, stream: int) -> np.random.Generator:
    """Draws that are a function of the three numbers; the noise is stream 0."""
    import numpy as np

    # Explicit uint64: a list with a number over 2**63 in it passes through float64, and seeds collide.
    key, counter = np.array([seed, stream], np.uint64), np.array([0, 0, block, 0], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def require_seed(seed: int) -> int:
    """``seed``, if it is one.

    Raises:
        BadInput: it is negative or does not fit 64 bits.
    """
    if not 0 <= seed < NOISE_SEEDS:
        raise BadInput(f"seed {seed} is not between 0 and {NOISE_SEEDS - 1}.")
    return seed
