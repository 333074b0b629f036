"""A folder of PNG files, with their digests beside them."""

from __future__ import annotations

import importlib.metadata
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib.files import sha256_bytes
from ganlib.generation.formats.base import Add, Format, words
from ganlib.generation.manifest import file_name, shard_name
from ganlib.generation.png import END, Encoder, encode_as_before

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganlib.generation.manifest import Job, Manifest
    from ganlib.generation.session import Drawn
    from ganlib.generation.storage.base import Storage


class Png(Format):
    """``shard-00000/00000000.png`` and so on."""

    image_bytes = 1680  # 28 x 28 incompressible pixels, the text chunks, a line in the list of digests

    def versions(self, record: int) -> dict[str, str]:
        """See :class:`Format`."""
        return png_versions(record)

    def files(self, job: Job, shard: int) -> list[str]:
        """One an image."""
        return [file_name(index) for index in job.images(shard)]

    @contextmanager
    def writing(self, path: Path, job: Manifest, shard: int, sums: dict[str, str]) -> Iterator[Add]:
        """See :class:`Format`."""
        path.mkdir()
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

        def add(drawn: Drawn) -> None:
            for name, data in encoded(job, drawn):
                _create(folder, name, data)
                sums[name] = sha256_bytes(data)

        try:
            yield add
        finally:
            os.close(folder)

    def images(self, storage: Storage, job: Job, shard: int, rows: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Format`."""
        import numpy as np

        place, names = shard_name(shard, job.file_format), self.files(job, shard)
        return np.stack([pixels(storage.read(f"{place}/{names[row]}")) for row in rows])

    def is_cut(self, storage: Storage, name: str) -> bool:
        """See :class:`Format`."""
        return not storage.read(name).endswith(END)


def _create(folder: int, name: str, data: bytes) -> None:
    """A new file in an open folder: three calls of the system, a third of what ``Path.write_bytes`` takes."""
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder)
    try:
        written = os.write(handle, data)
        while written < len(data):  # a full disk takes a part first, and then says so
            written += os.write(handle, data[written:])
    finally:
        os.close(handle)


def encoded(job: Manifest, drawn: Drawn) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each image's PNG file."""
    names, asked = [file_name(index) for index in range(drawn.first, drawn.stop)], words(drawn.asked)
    if job.format >= 3:
        level = 1 if job.format == 3 else 0
        maker = Encoder(model_sha256=job.model_sha256, seed=job.seed, truncation=job.truncation, level=level)
        yield from zip(names, maker.encode(drawn.images, drawn.first, asked), strict=True)
        return
    for at, (name, image) in enumerate(zip(names, drawn.images, strict=True)):
        said = asked[at] if asked and job.format > 1 else None
        sha256, number = job.model_sha256, drawn.first + at
        yield name, encode_as_before(image[0], model_sha256=sha256, seed=job.seed, index=number, asked=said)


def pixels(data: bytes) -> NDArray[Any]:
    """uint8 [1, 28, 28] of a PNG file."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        return np.asarray(image)[None]


def png_versions(record: int) -> dict[str, str]:
    """What decides the bytes of a PNG file, besides the pixels, in a job whose manifest has format ``record``."""
    if record >= 3:
        return {"zlib": zlib.ZLIB_RUNTIME_VERSION}
    from PIL import features

    return {"pillow": importlib.metadata.version("pillow"), "zlib": str(features.version("zlib"))}


FORMAT = Png()
