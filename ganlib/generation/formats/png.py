"""A folder of PNG files, with their digests beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ganlib.files import sha256_bytes
from ganlib.generation.formats.base import Add, Format, words
from ganlib.generation.manifest import file_name
from ganlib.generation.png import END, encode

if TYPE_CHECKING:
    from ganlib.generation.manifest import Job, Manifest
    from ganlib.generation.session import Drawn


class Png(Format):
    """``shard-00000/00000000.png`` and so on."""

    packages = ("pillow",)
    image_bytes = 1680  # 28 x 28 incompressible pixels, the text chunks, a line in the list of digests

    def files(self, job: Job, shard: int) -> list[str]:
        """One an image."""
        return [file_name(index) for index in job.images(shard)]

    @contextmanager
    def writing(self, path: Path, job: Manifest, shard: int, sums: dict[str, str]) -> Iterator[Add]:
        """See :class:`Format`."""
        path.mkdir()

        def add(drawn: Drawn) -> None:
            for name, data in encoded(job, drawn):
                (path / name).write_bytes(data)
                sums[name] = sha256_bytes(data)

        yield add

    def is_cut(self, path: Path) -> bool:
        """See :class:`Format`."""
        return not path.read_bytes().endswith(END)


def encoded(job: Manifest, drawn: Drawn) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each image's PNG file."""
    asked = words(drawn.asked) if job.format > 1 else None
    for at, image in enumerate(drawn.images):
        index = drawn.first + at
        yield (
            file_name(index),
            encode(
                image[0],
                model_sha256=job.model_sha256,
                seed=job.seed,
                index=index,
                asked=asked[at] if asked else None,
            ),
        )


FORMAT = Png()
