"""One tar file in the layout of WebDataset: for each image its PNG, a JSON of facts and its label or caption."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib.generation.formats.base import Add, Format, words
from ganlib.generation.formats.png import encoded, pixels, png_versions
from ganlib.generation.manifest import file_name, shard_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganlib.generation.manifest import Job, Manifest
    from ganlib.generation.session import Drawn
    from ganlib.generation.storage import Storage

_SUFFIX = {"label": "cls", "caption": "txt"}  # WebDataset's names for them


class WebDataset(Format):
    """``00000000.png``, ``00000000.json`` and, as asked, ``00000000.cls`` or ``00000000.txt``."""

    image_bytes = 3 * 512 + 2048 + 512 + 512  # headers, and contents rounded up to tar's blocks

    def versions(self, record: int) -> dict[str, str]:
        """See :class:`Format`."""
        return png_versions(record)

    @contextmanager
    def writing(self, path: Path, job: Manifest, shard: int, sums: dict[str, str]) -> Iterator[Add]:
        """See :class:`Format`. Owners, modes and times are the same in every file: zero, 0644, 1970."""
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:

            def put(name: str, data: bytes) -> None:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))

            def add(drawn: Drawn) -> None:
                asked, cut = words(drawn.asked), {"truncation": job.truncation} if job.truncation != 1 else {}
                for at, (name, data) in enumerate(encoded(job, drawn)):
                    stem = name.removesuffix(".png")
                    known = {"index": drawn.first + at, "seed": job.seed, "model_sha256": job.model_sha256, **cut}
                    put(name, data)
                    put(f"{stem}.json", json.dumps({**known, "synthetic": True}).encode())
                    if asked:
                        kind, text = asked[at]
                        put(f"{stem}.{_SUFFIX[kind]}", text.encode())

            yield add

    def images(self, storage: Storage, job: Job, shard: int, rows: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Format`."""
        import numpy as np

        names = [file_name(job.images(shard)[row]) for row in rows.tolist()]
        with storage.open(shard_name(shard, job.file_format)) as file, tarfile.open(fileobj=file) as archive:
            found = {name: archive.extractfile(name) for name in names}
            return np.stack([pixels(member.read()) for member in found.values() if member])

    def is_cut(self, storage: Storage, name: str) -> bool:
        """See :class:`Format`. A tar file ends with two empty blocks, filled up to whole records."""
        size = storage.size(name)
        with storage.open(name) as file:
            file.seek(max(size - 2 * tarfile.BLOCKSIZE, 0))
            return size % tarfile.RECORDSIZE != 0 or any(file.read()) or not size


FORMAT = WebDataset()
