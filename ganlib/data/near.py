"""Images that are nearly the same: recompressed, scaled or slightly cut copies."""

from __future__ import annotations

import numpy as np

from ganlib.data.raw import RawData


def groups(raw: RawData, first: np.ndarray) -> np.ndarray:
    """int64 [n]: of each image, the first one of its group; ``first``: the same for exact copies."""
    return first
