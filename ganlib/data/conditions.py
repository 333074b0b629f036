"""What a conditional generator is asked for where nobody asks for anything in particular."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ganlib.core.errors import BadInput
from ganlib.data import text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.data.spec import DatasetSpec

Condition = Literal["label", "caption"]
"""Names of the inputs that a graph can have besides ``noise``."""

_POOL_SIZE = 200
_UNEVEN = 2.0
"""From so many times an even share on, or from as small a part of one, classes or captions are uneven."""


def has_grammar(spec: DatasetSpec) -> bool:
    """Whether captions are written and read by a grammar, and so mean a class; others are any text."""
    return spec.captions not in (None, "table")


def draw(
    condition: Condition,
    spec: DatasetSpec,
    random: np.random.Generator,
    count: int,
    captions: Sequence[str] = (),
    shares: Sequence[float] = (),
) -> NDArray[np.int64]:
    """Return ``count`` conditions: labels int64 [count], or captions as UTF-8 bytes int64 [count, length].

    A caption of MNIST's grammar names a uniform class and perhaps terciles of thickness, slant and size, in wordings
    that no text encoder was trained on; of other data it is one of ``captions``.

    ``shares``: how often each class or caption is drawn, floats with the sum 1; empty: all alike.

    Raises:
        BadInput: there are no ``captions`` to draw from.
    """
    if condition == "label":
        return _places(random, count, spec.num_classes, shares)
    if has_grammar(spec):
        from ganlib.data.mnist.captions import draw as write

        return write(random, count, held_out=True)[0]
    import numpy as np

    if not captions:
        raise BadInput(f"there are no captions of {spec.name} to draw from: give one.")
    return np.stack([encode(caption) for caption in captions])[_places(random, count, len(captions), shares)]


def _places(random: np.random.Generator, count: int, choices: int, shares: Sequence[float]) -> NDArray[np.int64]:
    """Draw ``count`` of so many ``choices``: int64 [count]."""
    import numpy as np

    if not shares:
        return random.integers(0, choices, count)
    return np.searchsorted(np.cumsum(shares)[:-1], random.random(count), side="right").astype(np.int64)


def encode(caption: str, length: int = text.CAPTION_LEN) -> NDArray[np.int64]:
    """Return any caption as a graph takes it, written as those of training are: int64 [length], UTF-8, then zeros.

    Raises:
        BadInput: it is empty, or takes more than ``length`` bytes.
    """
    import numpy as np

    plain = text.normalise(caption)
    if not plain:
        raise BadInput(f"the caption {caption!r} is empty.")
    if (size := len(plain.encode())) > length:
        raise BadInput(f"the caption takes {size} bytes of UTF-8 and {length} fit; say it shorter.")
    return text.to_bytes(plain, length).astype(np.int64)


def class_shares(labels: NDArray[np.int64], num_classes: int) -> tuple[float, ...]:
    """Return the share of each class among ``labels``, int64 [n]; empty where all have about as many.

    A set of one class of 10,000 beside one of 40 is not like as many of each: figures of a model that was asked for as
    many would say how uneven the data are, and not what the model draws.
    """
    import numpy as np

    return _uneven(np.bincount(labels, minlength=num_classes))


def pool(captions: NDArray[np.uint8]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the distinct captions among rows of UTF-8 bytes [n, length], sorted; of more than 200, evenly spaced ones.

    They are what is drawn from where nobody asks for a caption. The numbers beside them are their shares, with the sum
    1; none where all are about as frequent.
    """
    import numpy as np

    rows, counts = np.unique(captions, axis=0, return_counts=True)
    texts = dict(sorted(item for item in zip(map(text.from_bytes, rows), counts, strict=True) if item[0]))
    most = evenly(list(texts), _POOL_SIZE)
    return tuple(most), _uneven(np.array([texts[caption] for caption in most]))


def _uneven(counts: NDArray[np.int64]) -> tuple[float, ...]:
    """Return ``counts`` as shares; none where no one is twice an even share or more, or half of one or less."""
    even = counts.sum() / max(1, len(counts))
    if all(even / _UNEVEN < count < _UNEVEN * even for count in counts.tolist()):
        return ()
    return tuple((counts / counts.sum()).tolist())


def evenly(items: Sequence[str], most: int) -> Sequence[str]:
    """Return ``items``, or ``most`` of them, evenly spaced."""
    return items if len(items) <= most else [items[place * len(items) // most] for place in range(most)]
