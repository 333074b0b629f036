"""A folder of PNG files, with their digests beside them."""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib.core.files import sha256_bytes
from ganlib.generation.formats.base import Add, Format, texts
from ganlib.generation.mark import PACKET_BYTES
from ganlib.generation.png import END, Encoder
from ganlib.generation.spec import file_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganlib.data.spec import DatasetSpec
    from ganlib.generation.session import ImageBlock
    from ganlib.generation.spec import BatchSpec
    from ganlib.generation.storage.base import Storage


class Png(Format):
    """``shard-00000/00000000.png`` and so on, and what was asked of each in ``metadata.jsonl``.

    Without that file, readers take the shard for the class.
    """

    sums_inside = True
    marks_images = True
    files_per_image = 1
    files_per_shard = 3
    shard_bytes = 0
    metadata = "metadata.jsonl"
    data_files = "shard-*/*"

    def image_bytes(self, spec: DatasetSpec) -> int:
        """See :class:`Format`: pixels as they are, text chunks, marks, a line in the list of digests and the metadata.

        JSON writes a byte of a name as three at most, of a caption as six.
        """
        names = max((len(name.encode()) for name in spec.class_names), default=0)
        return spec.image.nbytes + spec.image.height + 4 * names + PACKET_BYTES + 1380

    def versions(self) -> dict[str, str]:
        """See :class:`Format`."""
        return png_versions()

    def files(self, job: BatchSpec, shard: int) -> list[str]:
        """One an image, and the metadata."""
        return [*map(file_name, job.images(shard)), *([self.metadata] if job.metadata else [])]

    @contextmanager
    def writing(self, path: Path, job: BatchSpec, shard: int, sums: dict[str, str]) -> Iterator[Add]:
        """See :class:`Format`."""
        path.mkdir()
        with ExitStack() as files:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            files.callback(os.close, folder)
            metadata = files.enter_context((path / self.metadata).open("wb")) if job.metadata else None

            def add(block: ImageBlock) -> None:
                for name, data in encoded(job, block):
                    _create(folder, name, data)
                    sums[name] = sha256_bytes(data)
                if metadata:
                    metadata.writelines(_rows(job, block))

            yield add

    def images(self, storage: Storage, job: BatchSpec, shard: int, rows: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Format`."""
        import numpy as np

        place, names = self.shard_name(shard), self.files(job, shard)
        return np.stack([pixels(storage.read(f"{place}/{names[row]}")) for row in rows])

    def is_cut(self, storage: Storage, name: str) -> bool:
        """See :class:`Format`."""
        return not storage.read(name).endswith(b"\n" if name.endswith(self.metadata) else END)


def _create(folder: int, name: str, data: bytes) -> None:
    """A new file in an open folder: three calls of the system, a third of what ``Path.write_bytes`` takes."""
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder)
    try:
        count = os.write(handle, data)
        while count < len(data):  # a full disk takes a part first, and then says so
            count += os.write(handle, data[count:])
    finally:
        os.close(handle)


def encoded(job: BatchSpec, block: ImageBlock) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each image's PNG file."""
    names = [file_name(index) for index in range(block.first, block.stop)]
    maker = Encoder(model_sha256=job.model_sha256, seed=job.seed, truncation=job.truncation, mark=job.mark)
    yield from zip(names, maker.encode(block.images, block.first, texts(job.dataset, block.conditions)), strict=True)


def _rows(job: BatchSpec, block: ImageBlock) -> Iterator[bytes]:
    """Lines of metadata: name of each image's file, number, and what was asked."""
    descriptions = texts(job.dataset, block.conditions) or [{}] * len(block.images)
    for index, description in enumerate(descriptions, block.first):
        label = {"label": int(description["label"])} if "label" in description else {}
        row = {"file_name": file_name(index), "index": index, **description, **label}
        yield json.dumps(row).encode() + b"\n"


def pixels(data: bytes) -> NDArray[Any]:
    """Return the pixels of a grey or RGB PNG file, uint8 [channels, height, width]."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        return np.moveaxis(np.atleast_3d(np.asarray(image)), 2, 0)


def png_versions() -> dict[str, str]:
    """Return the versions of what decides the bytes of a PNG file, besides the pixels."""
    return {"zlib": zlib.ZLIB_RUNTIME_VERSION}


FORMAT = Png()
