"""Many small images on one."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from ganlib.generation.png import marked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GAP = 64  # level of each channel between images: seen beside black backgrounds and white strokes alike


def contact_sheet(
    images: NDArray[np.uint8],
    packet: str | None,
    columns: int | None = None,
    scale: int = 2,
    padding: int = 2,
    *,
    quick: bool = False,
) -> bytes:
    """A PNG with ``images`` in rows, left to right.

    Args:
        images: uint8 ``[n, channels, height, width]`` of 1 channel (grey) or 3 (RGB), n at least 1.
        packet: its marks (:mod:`ganlib.generation.mark`); None where the images are real, or where the sheet becomes a
            part of a picture that gets them.
        columns: images a row; ``None`` makes the sheet about square. The last row may be shorter.
        scale: each pixel becomes a square of so many.
        padding: pixels of the sheet between images and around them.
        quick: pack in a tenth of the time, less tightly.
    """
    import numpy as np
    from PIL import Image

    count, channels, height, width = images.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    step_y, step_x = height * scale + padding, width * scale + padding
    sheet = np.full((rows * step_y + padding, columns * step_x + padding, channels), _GAP, np.uint8)
    large = images.transpose(0, 2, 3, 1).repeat(scale, axis=1).repeat(scale, axis=2)
    for at, image in enumerate(large):
        top, left = padding + at // columns * step_y, padding + at % columns * step_x
        sheet[top : top + height * scale, left : left + width * scale] = image
    file = io.BytesIO()
    Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet).save(
        file, "PNG", **({"compress_level": 1} if quick else {"optimize": True})
    )
    return marked(file.getvalue(), packet) if packet else file.getvalue()
