"""One tar file in the layout of WebDataset: for each image its PNG, a JSON of facts and its label or caption."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ganlib.generation.formats.base import Add, Format, words
from ganlib.generation.formats.png import encoded

if TYPE_CHECKING:
    from ganlib.generation.manifest import Manifest
    from ganlib.generation.session import Drawn

_SUFFIX = {"label": "cls", "caption": "txt"}  # WebDataset's names for them


class WebDataset(Format):
    """``00000000.png``, ``00000000.json`` and, as asked, ``00000000.cls`` or ``00000000.txt``."""

    packages = ("pillow",)
    image_bytes = 3 * 512 + 2048 + 512 + 512  # headers, and contents rounded up to tar's blocks

    @contextmanager
    def writing(self, path: Path, job: Manifest, shard: int, sums: dict[str, str]) -> Iterator[Add]:
        """See :class:`Format`. Owners, modes and times are the same in every file: zero, 0644, 1970."""
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:

            def put(name: str, data: bytes) -> None:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))

            def add(drawn: Drawn) -> None:
                asked = words(drawn.asked)
                for at, (name, data) in enumerate(encoded(job, drawn)):
                    stem = name.removesuffix(".png")
                    known = {"index": drawn.first + at, "seed": job.seed, "model_sha256": job.model_sha256}
                    put(name, data)
                    put(f"{stem}.json", json.dumps({**known, "synthetic": True}).encode())
                    if asked:
                        kind, text = asked[at]
                        put(f"{stem}.{_SUFFIX[kind]}", text.encode())

            yield add

    def is_cut(self, path: Path) -> bool:
        """See :class:`Format`. A tar file ends with two empty blocks, filled up to whole records."""
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(size - 2 * tarfile.BLOCKSIZE, 0))
            return size % tarfile.RECORDSIZE != 0 or any(file.read()) or not size


FORMAT = WebDataset()
