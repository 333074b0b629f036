"""Between images: great circles between rows of noise, and the same noise under different conditions."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from ganlib.core.errors import BadInput
from ganlib.data.conditions import evenly, has_grammar
from ganlib.export.contract import caption_pool
from ganlib.generation.condition_record import Choice
from ganlib.generation.conditions import GraphDescription, choose
from ganlib.generation.noise import BLOCK, noise_block, require_seed
from ganlib.generation.pictures.contact_sheet import contact_sheet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.generation.session import OnnxModel

_PARALLEL = 1e-6  # a sine below which two directions span no plane
_XMP = b"!\xff\x0bXMP DataXMP"
"""What XMP begins with in a GIF (ISO 16684-3): an application extension."""
_XMP_END = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
"""From wherever a reader comes that takes the packet's bytes for lengths of blocks, it ends at the last of these."""
_MOST = 16  # conditions that are shown where nobody chose any

Conditions = Mapping[str, "NDArray[np.int64]"]
"""The graph's input besides noise, by its name, with one row for each thing that is asked for; empty where there is
none."""


def slerp(start: NDArray[np.float32], end: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Points on the great circle from ``start`` to ``end`` (Shoemake 1985; of noise: White 2016).

    A straight line between two normal draws of many dimensions passes where hardly any draw lies: its middle is
    shorter than both by a factor of about the root of two. Here the direction turns at a constant rate, and the length
    goes linearly from one to the other. Opposite directions have no one circle between them: the turn is then
    through the axis that they use least.

    Args:
        start: float32 [rows, width].
        end: the same shape.
        steps: how many points, at least 2; the first is ``start`` and the last is ``end``, exactly.

    Returns:
        float32 [rows, steps, width].
    """
    import numpy as np

    path = np.stack([_arc(a, b, steps) for a, b in zip(start.astype(np.float64), end.astype(np.float64), strict=True)])
    path[:, 0], path[:, -1] = start, end
    return path.astype(np.float32)


def _arc(start: NDArray[np.float64], end: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """One row of :func:`slerp`, float64 [steps, width]."""
    import numpy as np

    share = np.linspace(0, 1, steps)[:, None]
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if len(start) < 2 or not all(lengths):  # no direction to turn, or nowhere to turn through
        return (1 - share) * start + share * end
    u, v = start / lengths[0], end / lengths[1]
    # Not the arc cosine of the product, which loses half the precision where the two are nearly (anti)parallel.
    angle = 2 * math.atan2(float(np.linalg.norm(u - v)), float(np.linalg.norm(u + v)))
    across = v - (u @ v) * u
    if np.linalg.norm(across) < _PARALLEL:
        axis = np.eye(len(u))[np.abs(u).argmin()]
        across = axis - (u @ axis) * u
    across /= np.linalg.norm(across)
    directions = np.cos(share * angle) * u + np.sin(share * angle) * across
    path: NDArray[np.float64] = ((1 - share) * lengths[0] + share * lengths[1]) * directions
    return path


def conditions(
    model: GraphDescription,
    labels: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
    most: int = _MOST,
) -> Conditions:
    """Return what is asked of a conditional model, one row each.

    Args:
        model: opened, or the description of its file.
        labels: class names, for models with classes; None: all of them, or ``most`` spread over them.
        captions: for models of captions; None: the names of the classes, or captions that the file keeps.
        most: rows, where nothing is given.

    Raises:
        BadInput: the model does not take that, there is no such class, or a caption is refused.
    """
    import numpy as np

    for label in labels or ():
        if label in get_args(Choice):
            raise BadInput(f"label {label!r} is not the name of one class.")
    name = next((name for name in model.contract.inputs if name != "noise"), None)
    if name and not (labels or captions):
        pool = evenly(examples(model), most)
        labels, captions = (pool, None) if name == "label" else (None, pool)
    choices = [choose(model, text, files=False) for text in labels or ()]
    choices += [choose(model, None, text) for text in captions or ()]
    rows = [values[0] for each in choices if (values := each.values(0, 0)) is not None]
    return {name: np.stack(rows)} if name else {}


def examples(model: GraphDescription) -> tuple[str, ...]:
    """Return what can be asked of a conditional model: the names of its classes, or captions.

    Raises:
        BadInput: it takes captions, and neither a grammar nor its file has one to show.
    """
    spec = model.contract.spec
    if "label" in model.contract.inputs or has_grammar(spec):
        return spec.class_names  # the grammar knows them as captions too
    pool = caption_pool(model.metadata)
    if not pool:
        raise BadInput("this model's file keeps no captions to show: give some with --caption.")
    return pool


def endpoints(seed: int, pairs: int, noise_dim: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The noise of images 0, 2, 4, ... and of images 1, 3, 5, ... of ``seed``: float32 [pairs, noise_dim] each."""
    import numpy as np

    blocks = [noise_block(require_seed(seed), block, noise_dim) for block in range(-(-2 * pairs // BLOCK))]
    noise = np.concatenate(blocks)[: 2 * pairs]
    return noise[::2], noise[1::2]


def between_seeds(model: OnnxModel, seed: int, pairs: int, frames: int, conditions: Conditions) -> NDArray[np.uint8]:
    """From image 2r of ``seed`` to image 2r + 1, for r = 0 ... ``pairs - 1``: uint8 [pairs, frames, C, H, W].

    All images of a row have the same condition: the rows go through ``conditions`` in turn.
    """
    import numpy as np

    path = slerp(*endpoints(seed, pairs, model.noise_dim), frames)
    constants = {
        name: np.repeat(rows[np.arange(pairs) % len(rows)], frames, axis=0) for name, rows in conditions.items()
    }
    return _grid(model, path, constants)


def between_conditions(model: OnnxModel, seed: int, rows: int, conditions: Conditions) -> NDArray[np.uint8]:
    """The noise of images 0, 2, 4, ... of ``seed``, each under all of ``conditions``: uint8 [rows, asked, C, H, W]."""
    import numpy as np

    (columns,) = (len(values) for values in conditions.values())
    noise = np.repeat(endpoints(seed, rows, model.noise_dim)[0][:, None], columns, axis=1)
    return _grid(
        model, noise, {name: np.tile(values, (rows, *[1] * (values.ndim - 1))) for name, values in conditions.items()}
    )


def _grid(model: OnnxModel, noise: NDArray[np.float32], constants: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    rows, columns, width = noise.shape
    return model.run({"noise": noise.reshape(-1, width), **constants}).reshape(rows, columns, *model.spec.image.dims)


def picture(grid: NDArray[np.uint8], packet: str) -> bytes:
    """Return a PNG of uint8 [rows, columns, channels, height, width] with the marks in ``packet``."""
    return contact_sheet(grid.reshape(-1, *grid.shape[2:]), packet, columns=grid.shape[1])


def animation(grid: NDArray[np.uint8], packet: str, milliseconds: int = 80) -> bytes:
    """Return a GIF that goes through the columns of uint8 [rows, columns, C, H, W], forth and back, for ever.

    The rows are side by side in each frame; a frame is shown for ``milliseconds``, those at the ends for five times
    as long.
    """
    from PIL import Image

    there = list(range(grid.shape[1]))
    order = there + there[-2:0:-1]
    frames = [Image.open(io.BytesIO(contact_sheet(grid[:, at], None, scale=3))) for at in order]
    durations = [milliseconds * (5 if at in (there[0], there[-1]) else 1) for at in order]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    *whole, end = file.getvalue()
    return bytes(whole) + _XMP + packet.encode() + _XMP_END + bytes([end])
