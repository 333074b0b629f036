"""One ``.npz`` file, uncompressed: ``numpy.load(path)["image"]``, the other columns beside it, and the class names."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib.generation.formats.base import Add, Format, class_names, columns, rows_at
from ganlib.generation.formats.npy import array_bytes, write_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganlib.generation.session import ImageBlock
    from ganlib.generation.spec import BatchSpec
    from ganlib.generation.storage.base import Storage

_END = b"PK\x05\x06"
_END_BYTES = 22  # of the record that ends a zip file with no comment


class Npz(Format):
    """An array a column. zipfile's dates stay at 1980, so that the same images give the same bytes."""

    suffix = ".npz"

    @contextmanager
    def writing(self, path: Path, job: BatchSpec, shard: int, sums: dict[str, str]) -> Iterator[Add]:
        """See :class:`Format`. The images go straight to the file, the small columns follow them."""
        import numpy as np

        small: dict[str, list[NDArray[Any]]] = {}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            with archive.open(zipfile.ZipInfo("image.npy"), "w", force_zip64=True) as file:
                write_header(file, np.dtype(np.uint8), (len(job.images(shard)), *job.dataset.image.dims))

                def add(block: ImageBlock) -> None:
                    table = columns(job, block)
                    file.write(array_bytes(table.pop("image")))
                    for name, values in table.items():
                        small.setdefault(name, []).append(values)

                yield add
            if names := class_names(job):
                small["class_names"] = [np.array(names)]
            for name, parts in small.items():
                values = np.concatenate(parts)
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                    write_header(file, values.dtype, values.shape)
                    file.write(array_bytes(values))

    def images(self, storage: Storage, job: BatchSpec, shard: int, rows: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Format`."""
        import numpy as np

        with (
            storage.open(self.shard_name(shard)) as file,
            zipfile.ZipFile(file) as archive,
            archive.open("image.npy") as member,
        ):
            np.lib.format.read_magic(member)
            np.lib.format.read_array_header_1_0(member)
            return rows_at(member, member.tell(), job.dataset.image.nbytes, rows, job.dataset.image)

    def is_cut(self, storage: Storage, name: str) -> bool:
        """See :class:`Format`."""
        with storage.open(name) as file:
            file.seek(max(storage.size(name) - _END_BYTES, 0))
            return file.read(len(_END)) != _END


FORMAT = Npz()
