"""One Parquet file: a row an image, its pixels as bytes, channel by channel and row by row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib.generation.formats.base import Add, Format, columns, facts
from ganlib.generation.formats.npy import array_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganlib.generation.session import ImageBlock
    from ganlib.generation.spec import BatchSpec
    from ganlib.generation.storage.base import Storage

_GROUP_BYTES = 6_422_528
"""Of pixels in a row group: neither writer nor reader needs more memory. Another number would change shards' bytes."""
_MAGIC = b"PAR1"


class Parquet(Format):
    """Columns image, index, seed, and label or caption; the file's metadata say where it comes from."""

    suffix = ".parquet"
    data_files = "shard-*.parquet"

    packages = ("pyarrow",)

    @contextmanager
    def writing(self, path: Path, job: BatchSpec, shard: int, sums: dict[str, str]) -> Iterator[Add]:
        """See :class:`Format`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        shape, input_name = job.dataset.image, job.condition.input_name
        fields = {"image": pa.binary(shape.nbytes), "index": pa.int64(), "seed": pa.uint64()}
        if input_name:
            fields[input_name] = pa.int64() if input_name == "label" else pa.string()
        form = f"uint8 {list(shape.dims)}"
        schema = pa.schema(list(fields.items()), metadata={**facts(job), "ganlib:image": form})
        group = max(1, _GROUP_BYTES // shape.nbytes)
        waiting: list[dict[str, NDArray[Any]]] = []

        with pq.ParquetWriter(
            path, schema, compression="zstd", use_dictionary=[name for name in fields if name != "image"]
        ) as file:

            def flush() -> None:
                if waiting:
                    file.write_table(_table(waiting, schema))
                    waiting.clear()

            def add(block: ImageBlock) -> None:
                waiting.append(columns(job, block))
                if sum(len(part["index"]) for part in waiting) >= group:
                    flush()

            yield add
            flush()

    def images(self, storage: Storage, job: BatchSpec, shard: int, rows: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Format`."""
        import numpy as np
        import pyarrow.parquet as pq

        parts, first = [], 0
        with storage.open(self.shard_name(shard)) as file:
            table = pq.ParquetFile(file)
            for group in range(table.num_row_groups):
                stop = first + table.metadata.row_group(group).num_rows
                here = rows[(rows >= first) & (rows < stop)] - first
                if len(here):
                    column = table.read_row_group(group, columns=["image"]).column("image").take(here)
                    parts.append(
                        np.frombuffer(b"".join(column.to_pylist()), np.uint8).reshape(-1, *job.dataset.image.dims)
                    )
                first = stop
        return np.concatenate(parts)

    def is_cut(self, storage: Storage, name: str) -> bool:
        """See :class:`Format`."""
        with storage.open(name) as file:
            file.seek(max(storage.size(name) - len(_MAGIC), 0))
            return file.read() != _MAGIC


def _table(parts: list[dict[str, NDArray[Any]]], schema: Any) -> Any:
    """A table of ``parts``, one below the other."""
    import numpy as np
    import pyarrow as pa

    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    pixels = pa.py_buffer(array_bytes(columns.pop("image")))
    arrays = [pa.FixedSizeBinaryArray.from_buffers(schema.field("image").type, len(columns["index"]), [None, pixels])]
    for name, values in columns.items():
        # Byte strings become text by way of Python: captions are few and short beside the pixels.
        arrays.append(pa.array([text.decode() for text in values.tolist()] if name == "caption" else values))
    return pa.table(arrays, schema=schema)


FORMAT = Parquet()
