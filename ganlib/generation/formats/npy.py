"""One ``.npy`` file of records: ``numpy.load(path)["image"]``; opens as a memory map, and no pickle is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ganlib.generation.formats.base import Add, Format, columns, rows_at

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.generation.session import ImageBlock
    from ganlib.generation.spec import BatchSpec
    from ganlib.generation.storage.base import Storage


class Npy(Format):
    """Records with the fields that :func:`ganlib.generation.formats.base.columns` names."""

    suffix = ".npy"

    @contextmanager
    def writing(self, path: Path, job: BatchSpec, shard: int, sums: dict[str, str]) -> Iterator[Add]:
        """See :class:`Format`. Memory holds one block, whatever the size of the shard."""
        import numpy as np

        count = len(job.images(shard))
        with path.open("wb") as file:

            def add(block: ImageBlock) -> None:
                fields = columns(job, block)
                records = np.empty(
                    len(block.images), [(name, values.dtype.str, values.shape[1:]) for name, values in fields.items()]
                )
                for name, values in fields.items():
                    records[name] = values
                if not file.tell():
                    write_header(file, records.dtype, (count,))
                file.write(records.data)

            yield add

    def images(self, storage: Storage, job: BatchSpec, shard: int, rows: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Format`."""
        import numpy as np

        with storage.open(self.shard_name(shard)) as file:
            np.lib.format.read_magic(file)
            _, _, dtype = np.lib.format.read_array_header_1_0(file)
            return rows_at(
                file, file.tell(), dtype.itemsize, rows, job.dataset.image
            )  # the image is a record's first field

    def is_cut(self, storage: Storage, name: str) -> bool:
        """See :class:`Format`."""
        with storage.open(name) as file:
            return is_cut(file, storage.size(name))


def write_header(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """What stands before the items of an array of ``shape`` in C order."""
    import numpy as np

    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def array_bytes(values: NDArray[Any]) -> memoryview:
    """The items of ``values`` in C order."""
    import numpy as np

    flat: NDArray[np.uint8] = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
    return flat.data


def is_cut(file: IO[bytes], size: int) -> bool:
    """Whether ``file`` of ``size`` bytes is shorter than its header says. Damage to the header is no cut."""
    import numpy as np

    if size < 10:
        return True
    try:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    except (ValueError, EOFError):
        file.seek(8)
        return size < 10 + int.from_bytes(file.read(2), "little")
    return size < file.tell() + int(np.prod(shape)) * dtype.itemsize


FORMAT = Npy()
