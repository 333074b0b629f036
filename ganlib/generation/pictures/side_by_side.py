"""What several models make of the same noise, on one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganlib.config import ANONYMOUS, MarkConfig
from ganlib.generation.mark import packet_of_models
from ganlib.generation.noise import BLOCK, noise_block
from ganlib.generation.pictures.contact_sheet import contact_sheet
from ganlib.generation.pictures.interpolate import conditions
from ganlib.generation.png import marked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from ganlib.generation.session import OnnxModel

MARGIN, HEAD, BETWEEN = 170, 24, 16
"""Pixels for a title at the left of a sheet or above it, and between two sheets."""


def picture(
    models: Sequence[OnnxModel],
    titles: Sequence[str],
    seed: int,
    *,
    count: int,
    columns: int,
    beside: bool,
    mark: MarkConfig = ANONYMOUS,
) -> bytes:
    """A PNG with a titled sheet of each model's first ``count`` images of ``seed``.

    Models whose noise is of the same width get the same noise; conditional ones are asked for their classes in turn.

    Args:
        models: in order.
        titles: one for each.
        seed: of the noise.
        count: images of each.
        columns: images a row.
        beside: sheets from left to right, titles above; otherwise below each other, titles at the left.
        mark: what its marks say of who makes it.
    """
    from PIL import Image

    sheets = []
    for model in models:
        with Image.open(io.BytesIO(contact_sheet(draw(model, seed, count), None, columns, quick=True))) as sheet:
            sheets.append(sheet.copy())
    canvas = _beside(sheets, titles) if beside else _below(sheets, titles)
    file = io.BytesIO()
    canvas.save(file, "PNG", optimize=True)
    return marked(file.getvalue(), packet_of_models(mark, [model.sha256 for model in models], f"{seed}-0-{count - 1}"))


def draw(model: OnnxModel, seed: int, count: int) -> NDArray[np.uint8]:
    """Return images 0 to ``count - 1`` of ``seed``, uint8 [count, channels, height, width].

    A conditional model is asked for its classes in turn, or for captions that its file keeps.
    """
    import numpy as np

    blocks = [noise_block(seed, block, model.noise_dim) for block in range(-(-count // BLOCK))]
    rows = conditions(model, most=count)
    inputs = {name: values[np.arange(count) % len(values)] for name, values in rows.items()}
    return model.run({"noise": np.concatenate(blocks)[:count], **inputs})


def _white(sheets: Sequence[Image], width: int, height: int) -> Image:
    """Return an empty picture: in colour, if one of ``sheets`` is."""
    from PIL import Image

    colour = any(sheet.mode == "RGB" for sheet in sheets)
    return Image.new("RGB" if colour else "L", (width, height), "white")


def _beside(sheets: Sequence[Image], titles: Sequence[str]) -> Image:
    width = sum(sheet.width for sheet in sheets) + BETWEEN * (len(sheets) - 1)
    canvas, left = _white(sheets, width, HEAD + max(sheet.height for sheet in sheets)), 0
    for sheet, title in zip(sheets, titles, strict=True):
        canvas.paste(sheet, (left, HEAD))
        _write(canvas, (left + 2, HEAD // 2), title)
        left += sheet.width + BETWEEN
    return canvas


def _below(sheets: Sequence[Image], titles: Sequence[str]) -> Image:
    height = sum(sheet.height for sheet in sheets)
    canvas, top = _white(sheets, MARGIN + max(sheet.width for sheet in sheets), height), 0
    for sheet, title in zip(sheets, titles, strict=True):
        canvas.paste(sheet, (MARGIN, top))
        _write(canvas, (8, top + sheet.height // 2), title)
        top += sheet.height
    return canvas


def _write(canvas: Image, at: tuple[int, int], title: str) -> None:
    """``title`` from its left middle on."""
    from PIL import ImageDraw, ImageFont

    ImageDraw.Draw(canvas).text(at, title, fill=0, anchor="lm", font=ImageFont.load_default(14))
