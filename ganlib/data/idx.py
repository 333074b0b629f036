"""The IDX format of MNIST: two zero bytes, type code, number of dimensions, big-endian sizes, values.

Only unsigned bytes (type 0x08) are accepted. Every refusal names the file and the byte offset. Format:
LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np

from ganlib.core.errors import BadInput

Item = tuple[int | None, ...]
IMAGE: Item = (None, None)
"""Height and width of an image, any."""
LABEL: Item = ()
_UNSIGNED_BYTE = 0x08
GZIP = b"\x1f\x8b"
LARGEST = 1 << 33  # bytes, decompressed


def encode(array: np.ndarray) -> bytes:
    """``array`` (uint8, any number of dimensions) as an IDX file."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _UNSIGNED_BYTE, array.ndim, *array.shape)
    return header + np.ascontiguousarray(array, dtype=np.uint8).tobytes()


def parse(data: bytes, name: str, item: Item) -> np.ndarray:
    """The array in ``data``: uint8 [n, *item], n >= 1.

    Args:
        data: the whole file, decompressed.
        name: what to call it in errors.
        item: the shape of one item; None is any size, but not none.

    Raises:
        BadInput: anything but an IDX file of such items and of exactly the length that its header says.
    """
    header = 4 + 4 * (1 + len(item))
    magic = bytes((0, 0, _UNSIGNED_BYTE, 1 + len(item)))
    for offset, (byte, magic_byte) in enumerate(zip(data, magic, strict=False)):
        if byte != magic_byte:
            raise refusal(name, offset, f"{_MAGIC[offset]} is 0x{byte:02x}, expected 0x{magic_byte:02x}")
    if len(data) < header:
        raise refusal(name, len(data), f"the file ends inside its {header}-byte header")
    sizes = struct.unpack_from(f">{1 + len(item)}I", data, 4)
    if sizes[0] == 0:
        raise refusal(name, 4, "the file holds no items")
    for axis, (byte, size) in enumerate(zip(sizes[1:], item, strict=True), start=1):
        if byte != (byte or 1 if size is None else size):
            raise refusal(name, 4 + 4 * axis, f"size of dimension {axis} is {byte:,}, expected {size or 'more'}")
    end = header + math.prod(sizes)
    if len(data) < end:
        raise refusal(name, len(data), f"the file is truncated: {sizes[0]:,} items need {end:,} bytes")
    if len(data) > end:
        raise refusal(name, end, f"{len(data) - end:,} bytes follow the last of {sizes[0]:,} items")
    return np.frombuffer(data, np.uint8, offset=header).reshape(sizes)


def read(path: Path) -> bytes:
    """The bytes of the IDX file at ``path``, decompressed if it is gzip.

    Raises:
        BadInput: it cannot be read, or its gzip stream is damaged, truncated or followed by other bytes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error
    return gunzip(data, path.name) if data.startswith(GZIP) else data


def gunzip(data: bytes, name: str) -> bytes:
    """Decompress the one gzip member that fills ``data``; :class:`BadInput` with the offset otherwise."""
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data, LARGEST)
    except zlib.error as error:
        raise BadInput(f"{name}: damaged gzip stream of {len(data):,} bytes ({error}).") from error
    if stream.unconsumed_tail:
        raise refusal(name, len(data) - len(stream.unconsumed_tail), f"more than {LARGEST:,} bytes when decompressed")
    if not stream.eof:
        raise refusal(name, len(data), "the gzip stream is truncated")
    if stream.unused_data:
        raise refusal(name, len(data) - len(stream.unused_data), "bytes follow the end of the gzip stream")
    return plain


_MAGIC = ("first zero", "second zero", "type code", "number of dimensions")


def refusal(name: str, offset: int, what: str) -> BadInput:
    """Return the error about what is wrong at a byte of a file."""
    return BadInput(f"{name}: byte {offset:,}: {what}.")
