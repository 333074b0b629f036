"""Images as PNG files that say they are synthetic and which model, seed and index made them."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SYNTHETIC = "trainedAlgorithmicMedia"
"""What a trained model made, in IPTC's vocabulary of digital source types."""
END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
"""The chunk every whole PNG ends with."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIDE = 28
_WINDOW = (
    10  # log2 of zlib's window: an image's 812 bytes fit, and setting up a larger one takes longer than packing it
)

_LEVEL = 0
"""zlib's, which stores the pixels: packing them takes ten times as long, more than all else together that is done to a
file, and a file is one block of the disk either way."""


class Encoder:
    """Makes the PNG files of one job: 8-bit grey, with their origin in text chunks.

    Written by the specification (https://www.w3.org/TR/png-3/), because an image of 28 x 28 takes Pillow several times
    as long to set up as to pack. The bytes depend on the arguments and on zlib's version alone: there is no time stamp.
    """

    def __init__(self, *, model_sha256: str, seed: int, truncation: float = 1.0) -> None:
        """Prepare what all files of the job have in common."""
        header = _chunk(b"IHDR", struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 0, 0, 0, 0))
        facts = {"synthetic": SYNTHETIC, "model_sha256": model_sha256, "seed": str(seed)}
        if truncation != 1:
            facts["truncation"] = repr(truncation)
        self._head = _SIGNATURE + header + b"".join(text_chunk(name, value) for name, value in facts.items())

    def encode(self, images: NDArray[np.uint8], first: int, asked: list[tuple[str, str]] | None = None) -> list[bytes]:
        """The files of ``images``, uint8 ``[n, 1, 28, 28]``, of which the first has number ``first``.

        ``asked`` is what was asked of a conditional model: ``("label", "7")`` or ``("caption", "a thin seven")``.
        """
        import numpy as np

        rows = np.zeros((len(images), _SIDE, 1 + _SIDE), np.uint8)  # each row begins with its filter: 0, none
        rows[:, :, 1:] = images[:, 0]
        made = []
        for at, row in enumerate(rows):
            said = text_chunk("index", str(first + at))
            if asked:
                said += international_chunk(*asked[at])
            packed = _chunk(b"IDAT", zlib.compress(row.data, _LEVEL, _WINDOW))
            made.append(b"".join((self._head, said, packed, END)))
        return made


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))))


def text_chunk(name: str, value: str) -> bytes:
    """A fact in Latin-1."""
    return _chunk(b"tEXt", f"ganlib:{name}\0{value}".encode("latin-1"))


def international_chunk(name: str, value: str) -> bytes:
    """A fact in UTF-8, uncompressed, of no stated language: captions may be Chinese."""
    return _chunk(b"iTXt", f"ganlib:{name}\0\0\0\0\0{value}".encode())
