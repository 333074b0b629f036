"""What a conditional generator is asked for where nobody asks for anything in particular."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ganlib.core.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.data.spec import DatasetSpec

Condition = Literal["label", "caption"]
"""Names of the inputs that a graph can have besides ``noise``."""

CAPTION_BYTES = 64
"""Of UTF-8, that a caption may take."""
_POOLED = 200


def has_grammar(spec: DatasetSpec) -> bool:
    """Whether captions are written and read by a grammar, and so mean a class; others are any text."""
    return spec.captions not in (None, "table")


def draw(
    condition: Condition, spec: DatasetSpec, random: np.random.Generator, count: int, captions: Sequence[str] = ()
) -> NDArray[np.int64]:
    """Return ``count`` uniform conditions: labels int64 [count], or captions as UTF-8 bytes int64 [count, length].

    A caption of MNIST's grammar names a uniform class and perhaps terciles of thickness, slant and size, in wordings
    that no text encoder was trained on; of other data it is one of ``captions``.

    Raises:
        BadInput: there are no ``captions`` to draw from.
    """
    if condition == "label":
        return random.integers(0, spec.num_classes, count)
    if has_grammar(spec):
        from ganlib.data.mnist.captions import draw as write

        return write(random, count, held_out=True)[0]
    import numpy as np

    if not captions:
        raise BadInput(f"there are no captions of {spec.name} to draw from: give one.")
    return np.stack([encode(text) for text in captions])[random.integers(0, len(captions), count)]


def encode(text: str, length: int = CAPTION_BYTES) -> NDArray[np.int64]:
    """Return any text as a graph takes it: int64 [length], UTF-8 bytes, then zeros.

    Raises:
        BadInput: it is empty, has a zero byte in it, or takes more than ``length`` bytes.
    """
    import numpy as np

    data = text.encode()
    if not text.strip() or 0 in data:
        raise BadInput(f"the caption {text!r} is {'empty' if not text.strip() else 'no text'}.")
    if len(data) > length:
        raise BadInput(f"the caption takes {len(data)} bytes of UTF-8 and {length} fit; say it shorter.")
    codes = np.zeros(length, np.int64)
    codes[: len(data)] = np.frombuffer(data, np.uint8)
    return codes


def pool(captions: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return the distinct captions among rows of UTF-8 bytes [n, length], sorted; of more than 200, evenly spaced ones.

    They are what is drawn from where nobody asks for a caption.
    """
    import numpy as np

    texts = sorted(row.tobytes().rstrip(b"\0").decode(errors="ignore") for row in np.unique(captions, axis=0))
    texts = [text for text in texts if text]
    most = min(len(texts), _POOLED)
    return tuple(texts[place * len(texts) // most] for place in range(most))
