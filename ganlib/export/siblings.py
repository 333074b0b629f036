"""A graph's fp16 and int8 forms: the same contract, other arithmetic inside."""

from __future__ import annotations

from typing import Literal

from ganlib.config import Frozen

SIBLING_KEY = "sibling"
"""In the file's metadata: a :class:`Sibling` as JSON."""
Kind = Literal["fp16", "int8"]


class Sibling(Frozen):
    """How far a sibling's images are from its parent's, on the same noise and labels."""

    kind: Kind
    parent_sha256: str
    mean_difference: float
    """Grey levels, 0..255, over all pixels."""
    max_difference: int
    differing_share: float
    """Share of pixels that differ by more than one grey level."""
    images: int
    """Compared; none of them was drawn for calibration."""

    def summary(self) -> str:
        """In words, after 'are'."""
        return (
            f"{self.mean_difference:.3f} grey levels off its parent's on average, {self.max_difference} at most, and "
            f"by more than one in {100 * self.differing_share:.2f}% of pixels of {self.images:,} images"
        )
