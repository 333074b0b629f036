"""One Zarr group (version 3, uncompressed, a chunk an array), written by its specification.

https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html. An array is a JSON file and its items as they lie in
memory, for which no library is needed; :mod:`zarr` and others read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ganlib.core.files import json_bytes
from ganlib.generation.formats.base import Add, Format, columns, facts, rows_at
from ganlib.generation.formats.npy import array_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.generation.session import ImageBlock
    from ganlib.generation.spec import BatchSpec
    from ganlib.generation.storage.base import Storage

_META = "zarr.json"
_DIMENSIONS = {"image": 4, "index": 1, "seed": 1, "label": 1, "caption": 2}


class Zarr(Format):
    """Arrays image [n, channels, height, width], index [n], seed [n], and label [n] or caption [n, length] (UTF-8)."""

    suffix = ".zarr"

    def files(self, job: BatchSpec, shard: int) -> list[str]:
        """The group's and each array's description, and each array's one chunk."""
        arrays = ["image", "index", "seed", *filter(None, [job.condition.input_name])]
        return [_META, *(name for array in arrays for name in (f"{array}/{_META}", _chunk(array)))]

    @contextmanager
    def writing(self, path: Path, job: BatchSpec, shard: int, sums: dict[str, str]) -> Iterator[Add]:
        """See :class:`Format`."""
        import numpy as np

        count, chunks = len(job.images(shard)), dict[str, IO[bytes]]()
        path.mkdir()
        _write_json(path / _META, {"zarr_format": 3, "node_type": "group", "attributes": facts(job)})
        with ExitStack() as files:

            def add(block: ImageBlock) -> None:
                table = columns(job, block)
                if "caption" in table:
                    table["caption"] = block.conditions["caption"].astype(np.uint8)
                for name, values in table.items():
                    if name not in chunks:
                        chunks[name] = files.enter_context(_begin(path, name, count, values))
                    chunks[name].write(array_bytes(values))

            yield add

    def images(self, storage: Storage, job: BatchSpec, shard: int, rows: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Format`."""
        with storage.open(f"{self.shard_name(shard)}/{_chunk('image')}") as file:
            return rows_at(file, 0, job.dataset.image.nbytes, rows, job.dataset.image)

    def is_cut(self, storage: Storage, name: str) -> bool:
        """See :class:`Format`."""
        import numpy as np

        size = storage.size(name)
        if name.endswith(f"/{_META}"):
            return not storage.read(name).endswith(b"}\n")
        try:
            about = json.loads(storage.read(f"{name.rpartition('/c/')[0]}/{_META}"))
            return bool(size < np.dtype(about["data_type"]).itemsize * math.prod(about["shape"]))
        except (OSError, ValueError, KeyError, TypeError):  # that file is a finding of its own
            return not size


def _begin(path: Path, name: str, count: int, values: NDArray[np.generic]) -> IO[bytes]:
    """Describe array ``name`` of ``count`` rows like those of ``values``; its chunk, open."""
    shape = [count, *values.shape[1:]]
    codec: dict[str, Any] = {"name": "bytes"}
    if values.dtype.itemsize > 1:
        codec["configuration"] = {"endian": "little"}
    about = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": values.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [codec],
        "attributes": {},
    }
    chunk = path / _chunk(name)
    chunk.parent.mkdir(parents=True)
    _write_json(path / name / _META, about)
    return chunk.open("wb")


def _chunk(array: str) -> str:
    return "/".join([array, "c", *["0"] * _DIMENSIONS[array]])


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_bytes(json_bytes(value))


FORMAT = Zarr()
