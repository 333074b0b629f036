"""Captions as the nets read them: bytes of UTF-8 in an array."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CAPTION_LEN = 64
"""Bytes of UTF-8; about 60 English letters or 21 Chinese characters."""


def normalise(text: str) -> str:
    """Lower case, full-width forms made plain (NFKC), control characters dropped, runs of white space one space."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return " ".join("".join(letter for letter in plain if letter.isprintable() or letter.isspace()).split())


def cut(plain: str) -> str:
    """Return as much of ``plain`` as fits, up to the end of a word; of a word that is too long by itself, a part."""
    data = plain.encode()
    if len(data) <= CAPTION_LEN:
        return plain
    head = data[:CAPTION_LEN].decode(errors="ignore")
    whole, space, _ = head.rpartition(" ")
    return head if plain[len(head) :].startswith(" ") or not space else whole


def to_bytes(plain: str, length: int = CAPTION_LEN) -> NDArray[np.uint8]:
    """Return ``plain``, which fits, as uint8 [length], UTF-8 bytes filled up with zeros."""
    import numpy as np

    return np.frombuffer(plain.encode().ljust(length, b"\0"), np.uint8)


def from_bytes(codes: NDArray[np.integer]) -> str:
    """Return the text of one row of an array of captions."""
    import numpy as np

    return codes.astype(np.uint8).tobytes().rstrip(b"\0").decode(errors="ignore")
