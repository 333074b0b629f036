"""Images as PNG files that say they are synthetic and which model, seed and index made them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ganlib.config import MarkConfig
from ganlib.generation.mark import KEYWORD, SYNTHETIC, packet_parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
"""The chunk every whole PNG ends with."""
_HEAD = 8 + 25  # signature and the IHDR chunk, which comes first
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = {1: 0, 3: 2}  # PNG's name of what a pixel is, by its channels: grey, and red, green and blue
_WINDOW = 10  # log2 of zlib's window: what is only stored needs none, and setting up a larger one takes longer

_LEVEL = 0
"""zlib's, which stores the pixels: packing a small image takes ten times as long, more than all else together that is
done to a file, and such a file is one block of the disk either way."""


class Encoder:
    """Makes the PNG files of one job: 8-bit grey or RGB, with their origin in text chunks and their marks in XMP.

    Written by the specification (https://www.w3.org/TR/png-3/), because a small image takes Pillow several times as
    long to set up as to pack. The bytes depend on the arguments and on zlib's version alone: there is no time stamp.
    """

    def __init__(
        self, *, model_sha256: str, seed: int, truncation: float = 1.0, mark: MarkConfig | None = None
    ) -> None:
        """Prepare what all files of the job have in common; ``mark`` None: of a job that is older than the marks."""
        facts = {"synthetic": SYNTHETIC, "model_sha256": model_sha256, "seed": str(seed)}
        if truncation != 1:
            facts["truncation"] = repr(truncation)
        self._facts = b"".join(text_chunk(name, value) for name, value in facts.items())
        self._packet = packet_parts(mark, model_sha256, seed) if mark else None

    def encode(
        self, images: NDArray[np.uint8], first: int, facts: Sequence[Mapping[str, str]] | None = None
    ) -> list[bytes]:
        """Return the files of ``images``, uint8 ``[n, channels, height, width]``.

        The first of them has number ``first``; ``facts`` are what else to say of each, as in ``{"label": "7"}``.
        """
        import numpy as np

        count, channels, height, width = images.shape
        header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
        head = _SIGNATURE + _chunk(b"IHDR", header) + self._facts
        rows = np.zeros((count, height, 1 + width * channels), np.uint8)  # each row begins with its filter: 0, none
        rows[:, :, 1:] = images.transpose(0, 2, 3, 1).reshape(count, height, -1)
        files = []
        for at, row in enumerate(rows):
            text = text_chunk("index", str(first + at))
            for name, value in facts[at].items() if facts else ():
                text += international_chunk(name, value)
            if self._packet:
                before, after = self._packet
                text += xmp_chunk(b"%b%d%b" % (before, first + at, after))
            pixels = _chunk(b"IDAT", zlib.compress(row.data, _LEVEL, _WINDOW))
            files.append(b"".join((head, text, pixels, END)))
        return files


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))))


def text_chunk(name: str, value: str) -> bytes:
    """Return a fact in Latin-1 as a chunk."""
    return _chunk(b"tEXt", f"ganlib:{name}\0{value}".encode("latin-1"))


def international_chunk(name: str, value: str) -> bytes:
    """Return a fact in UTF-8, uncompressed, of no stated language, as a chunk: captions may be Chinese."""
    return _chunk(b"iTXt", f"ganlib:{name}\0\0\0\0\0{value}".encode())


def xmp_chunk(packet: bytes) -> bytes:
    """Return an XMP packet as the chunk in which readers of PNG look for it."""
    return _chunk(b"iTXt", KEYWORD.encode() + bytes(5) + packet)


def marked(png: bytes, packet: str) -> bytes:
    """Return ``png`` with the marks in ``packet``, an XMP packet."""
    return with_chunks(png, xmp_chunk(packet.encode()))


def with_chunks(png: bytes, chunks: bytes) -> bytes:
    """Return ``png`` with ``chunks`` before its pixels."""
    return png[:_HEAD] + chunks + png[_HEAD:]
