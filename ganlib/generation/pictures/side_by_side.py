"""What several models make of the same noise, on one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganlib.generation.noise import BLOCK, noise_block
from ganlib.generation.pictures.contact_sheet import contact_sheet
from ganlib.generation.pictures.interpolate import conditions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from ganlib.generation.session import OnnxModel

MARGIN, HEAD, BETWEEN = 170, 24, 16
"""Pixels for a title at the left of a sheet or above it, and between two sheets."""


def picture(
    models: Sequence[OnnxModel], titles: Sequence[str], seed: int, *, count: int, columns: int, beside: bool
) -> bytes:
    """A PNG with a titled sheet of each model's first ``count`` images of ``seed``.

    Models whose noise is of the same width get the same noise; conditional ones are asked for 0 to 9 in turn.

    Args:
        models: in order.
        titles: one for each.
        seed: of the noise.
        count: images of each.
        columns: images a row.
        beside: sheets from left to right, titles above; otherwise below each other, titles at the left.
    """
    from PIL import Image

    sheets = []
    for model in models:
        with Image.open(io.BytesIO(contact_sheet(drawn(model, seed, count), columns=columns))) as sheet:
            sheets.append(sheet.copy())
    made = _beside(sheets, titles) if beside else _below(sheets, titles)
    file = io.BytesIO()
    made.save(file, "PNG", optimize=True)
    return file.getvalue()


def drawn(model: OnnxModel, seed: int, count: int) -> NDArray[np.uint8]:
    """Images 0 to ``count - 1`` of ``seed``, uint8 [count, 1, 28, 28]; of a conditional model, 0 to 9 in turn."""
    import numpy as np

    blocks = [noise_block(seed, block, model.noise_dim) for block in range(-(-count // BLOCK))]
    turns = np.arange(count) % 10
    asked = {name: values[turns] for name, values in conditions(model.contract, None, None).items()}
    return model.run({"noise": np.concatenate(blocks)[:count], **asked})


def _beside(sheets: Sequence[Image], titles: Sequence[str]) -> Image:
    from PIL import Image

    width = sum(sheet.width for sheet in sheets) + BETWEEN * (len(sheets) - 1)
    made, left = Image.new("L", (width, HEAD + max(sheet.height for sheet in sheets)), 255), 0
    for sheet, title in zip(sheets, titles, strict=True):
        made.paste(sheet, (left, HEAD))
        _write(made, (left + 2, HEAD // 2), title)
        left += sheet.width + BETWEEN
    return made


def _below(sheets: Sequence[Image], titles: Sequence[str]) -> Image:
    from PIL import Image

    height = sum(sheet.height for sheet in sheets)
    made, top = Image.new("L", (MARGIN + max(sheet.width for sheet in sheets), height), 255), 0
    for sheet, title in zip(sheets, titles, strict=True):
        made.paste(sheet, (MARGIN, top))
        _write(made, (8, top + sheet.height // 2), title)
        top += sheet.height
    return made


def _write(made: Image, at: tuple[int, int], title: str) -> None:
    """``title`` from its left middle on."""
    from PIL import ImageDraw, ImageFont

    ImageDraw.Draw(made).text(at, title, fill=0, anchor="lm", font=ImageFont.load_default(14))
