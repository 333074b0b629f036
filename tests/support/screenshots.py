"""Pictures of pages for docs/images, which tests take on their way; `make screenshots` takes all of them anew."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from PIL import Image

MOST_BYTES = 60_000
_COLOURS = (256, 128, 64, 32, 16)


def picture(page: Any, name: str) -> None:
    """Keep what the page shows as ``name``.png in the folder GANLIB_SCREENSHOTS; without that, do nothing."""
    if folder := os.environ.get("GANLIB_SCREENSHOTS"):
        (Path(folder) / f"{name}.png").write_bytes(small(page.screenshot()))


def small(png: bytes) -> bytes:
    """Return the picture ``png`` with as many colours as :data:`MOST_BYTES` allow, at least 16."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in _COLOURS:
        stream = io.BytesIO()
        image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            stream, "PNG", optimize=True
        )
        if stream.tell() <= MOST_BYTES:
            break
    return stream.getvalue()
