"""One tar file in the layout of WebDataset: for each image its PNG, a JSON of facts and its label or caption."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib.generation.formats.base import Add, Format, texts
from ganlib.generation.formats.png import FORMAT as PNG
from ganlib.generation.formats.png import encoded, pixels, png_versions
from ganlib.generation.mark import PACKET_BYTES, of_image
from ganlib.generation.spec import file_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganlib.data.spec import DatasetSpec
    from ganlib.generation.session import ImageBlock
    from ganlib.generation.spec import BatchSpec
    from ganlib.generation.storage.base import Storage

_SUFFIX = {"label": "cls", "caption": "txt"}  # WebDataset's names for them


class WebDataset(Format):
    """``00000000.png``, ``00000000.json`` and, as asked, ``00000000.cls`` or ``00000000.txt``."""

    suffix = ".tar"
    data_files = "shard-*.tar"
    marks_images = True

    def image_bytes(self, spec: DatasetSpec) -> int:
        """See :class:`Format`: three headers, and contents rounded up to tar's blocks."""
        names = max((len(name.encode()) for name in spec.class_names), default=0)
        contents = (PNG.image_bytes(spec), 512 + names + PACKET_BYTES, 64)
        return sum(tarfile.BLOCKSIZE * (1 - -size // tarfile.BLOCKSIZE) for size in contents)

    def versions(self) -> dict[str, str]:
        """See :class:`Format`."""
        return png_versions()

    @contextmanager
    def writing(self, path: Path, job: BatchSpec, shard: int, sums: dict[str, str]) -> Iterator[Add]:
        """See :class:`Format`. Owners, modes and times are the same in every file: zero, 0644, 1970."""
        with path.open("wb") as archive:

            def put(name: str, data: bytes) -> None:
                archive.write(header(name, len(data)))
                archive.write(data)
                archive.write(bytes(-len(data) % tarfile.BLOCKSIZE))

            def add(block: ImageBlock) -> None:
                descriptions = texts(job.dataset, block.conditions)
                cut = {"truncation": job.truncation} if job.truncation != 1 else {}
                for at, (name, data) in enumerate(encoded(job, block)):
                    stem = name.removesuffix(".png")
                    index = block.first + at
                    facts = {"index": index, "seed": job.seed, "model_sha256": job.model_sha256, **cut}
                    marks = of_image(job.mark, job.model_sha256, job.seed, index) if job.mark else {}
                    description = dict(descriptions[at]) if descriptions else {}
                    class_name = {"class": description.pop("class")} if "class" in description else {}
                    put(name, data)
                    put(f"{stem}.json", json.dumps({**facts, **class_name, "synthetic": True, **marks}).encode())
                    for kind, text in description.items():
                        put(f"{stem}.{_SUFFIX[kind]}", text.encode())

            yield add
            archive.write(bytes(2 * tarfile.BLOCKSIZE))
            archive.write(bytes(-archive.tell() % tarfile.RECORDSIZE))

    def images(self, storage: Storage, job: BatchSpec, shard: int, rows: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Format`."""
        import numpy as np

        names = [file_name(job.images(shard)[row]) for row in rows.tolist()]
        with storage.open(self.shard_name(shard)) as file, tarfile.open(fileobj=file) as archive:
            members = {name: archive.extractfile(name) for name in names}
            return np.stack([pixels(member.read()) for member in members.values() if member])

    def is_cut(self, storage: Storage, name: str) -> bool:
        """See :class:`Format`. A tar file ends with two empty blocks, filled up to whole records."""
        size = storage.size(name)
        with storage.open(name) as file:
            file.seek(max(size - 2 * tarfile.BLOCKSIZE, 0))
            return size % tarfile.RECORDSIZE != 0 or any(file.read()) or not size


def header(name: str, size: int) -> bytearray:
    """What stands before ``size`` bytes of file ``name``, as tarfile writes it in the form USTAR.

    tarfile takes four times as long for it, and keeps each member in memory until the archive is closed.
    """
    content, encoded_name = bytearray(_EMPTY), name.encode("ascii")
    content[: len(encoded_name)] = encoded_name
    content[124:135] = b"%011o" % size
    # The checksum counts itself as eight spaces; name and size add what they are more than nothing and zeros.
    total = _EMPTY_SUM + sum(encoded_name) + sum(content[124:135]) - 11 * ord("0")
    content[148:154] = b"%06o" % total
    return content


_EMPTY = tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT)
_EMPTY_SUM = sum(_EMPTY[:148]) + 8 * ord(" ") + sum(_EMPTY[156:])
FORMAT = WebDataset()
