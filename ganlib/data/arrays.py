"""Arrays in ``.npy`` files that are written and read a part at a time, so that memory stays flat."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

_CHUNK_BYTES = 16 << 20


class ArrayWriter:
    """Writes uint8 or int64 rows to a ``.npy`` file whose number of rows is known at the end only."""

    def __init__(self, path: Path, row: tuple[int, ...], dtype: type = np.uint8) -> None:
        """``row``: the shape of one row."""
        self.rows = 0
        self._row, self._dtype, self._path = row, np.dtype(dtype), path
        self._stream: BinaryIO | None = None

    def __enter__(self) -> ArrayWriter:
        """Open the file."""
        self._stream = self._path.open("wb")
        self._stream.write(self._header())
        return self

    def append(self, rows: np.ndarray) -> None:
        """Write ``rows``, [k, *row], of the array's type."""
        if rows.shape[1:] != self._row or rows.dtype != self._dtype or self._stream is None:
            raise ValueError(f"{rows.dtype} {rows.shape} does not belong into {self._dtype} [n, {self._row}]")
        self._stream.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the number of rows, and close."""
        if self._stream is not None:
            self._stream.seek(0)
            self._stream.write(self._header())
            self._stream.close()

    def _header(self) -> bytes:
        # numpy leaves room for the longest number of rows, so that the header's length never changes.
        buffer = io.BytesIO()
        shape = (self.rows, *self._row)
        description = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(buffer, description)
        return buffer.getvalue()


class ArrayFile:
    """An array in a ``.npy`` file, read in order and never as a whole."""

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            ValueError, OSError: it is no such file.
        """
        self._path = path
        with path.open("rb") as stream:
            np.lib.format.read_magic(stream)
            self.shape, _, self._dtype = np.lib.format.read_array_header_1_0(stream)
            self._start = stream.tell()

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.shape[0])

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield all rows, some at a time."""
        row = int(np.prod(self.shape[1:], dtype=np.int64))
        for rows in _spans(len(self), row * self._dtype.itemsize):
            at = self._start + rows.start * row * self._dtype.itemsize
            part = np.fromfile(self._path, self._dtype, row * len(rows), offset=at)
            yield part.reshape(len(rows), *self.shape[1:])


class ArrayInMemory:
    """An array in memory, read as an :class:`ArrayFile` is."""

    def __init__(self, array: np.ndarray) -> None:
        """``array``: [n, ...]."""
        self._array, self.shape = array, array.shape

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._array)

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield all rows, some at a time."""
        for rows in _spans(len(self), max(1, self._array[:1].nbytes)):
            yield self._array[rows.start : rows.stop]


def _spans(count: int, row_bytes: int) -> Iterator[range]:
    size = max(1, _CHUNK_BYTES // max(1, row_bytes))
    return (range(start, min(start + size, count)) for start in range(0, count, size))
