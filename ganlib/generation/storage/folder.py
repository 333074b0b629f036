"""A job's files in a folder of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ganlib.core.errors import BadInput
from ganlib.core.files import explained, require_space, require_writable, sha256_file, write_bytes
from ganlib.generation.storage import lock
from ganlib.generation.storage.base import Storage, remove


class Folder(Storage):
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        """``root`` may be absent."""
        self.root = root

    def __str__(self) -> str:
        """Its path."""
        return str(self.root)

    def open(self, name: str) -> IO[bytes]:
        """See :class:`Storage`."""
        return (self.root / name).open("rb")

    def size(self, name: str) -> int:
        """See :class:`Storage`."""
        return (self.root / name).stat().st_size

    def exists(self, name: str) -> bool:
        """See :class:`Storage`."""
        return (self.root / name).exists()

    def is_folder(self, name: str) -> bool:
        """See :class:`Storage`."""
        return (self.root / name).is_dir()

    def names(self) -> list[str]:
        """See :class:`Storage`."""
        if not self.root.exists():
            return []
        if not self.root.is_dir():
            raise BadInput(f"{self} is a file; the images need a folder.")
        return sorted(entry.name + ("/" if entry.is_dir() else "") for entry in self.root.iterdir())

    def inside(self, folder: str) -> list[str]:
        """See :class:`Storage`."""
        place = self.root / folder
        return [entry.relative_to(place).as_posix() for entry in sorted(place.rglob("*"))]

    def sha256(self, name: str) -> str:
        """See :class:`Storage`."""
        return sha256_file(self.root / name)

    def write(self, name: str, data: bytes) -> None:
        """See :class:`Storage`. The data is on disk before the name changes."""
        write_bytes(self.root / name, data)

    def create(self, name: str, data: bytes) -> None:
        """See :class:`Storage`: the lock sees to it."""
        self.write(name, data)

    def scratch(self) -> Path:
        """See :class:`Storage`: the folder itself, so that a shard appears by being renamed."""
        return self.root

    def publish(self, part: Path, name: str, sums: Path, sums_name: str) -> None:
        """See :class:`Storage`."""
        place, beside = self.root / name, self.root / sums_name
        if beside.parent == place:
            sums.rename(part / beside.name)
        else:
            sums.replace(beside)
        if place.is_dir():
            shutil.rmtree(place)
        part.replace(place)  # last: whoever sees the shard sees all of it, and its digests

    def flush(self) -> None:
        """See :class:`Storage`: it is there already."""

    def sweep(self) -> None:
        """See :class:`Storage`."""
        for pattern in (".shard-*.part", ".*.json.*.part", ".*.md.*.part"):
            for part in self.root.glob(pattern):
                remove(part)

    def require_room(
        self, *, images: int, shard_size: int, image_bytes: int, shard_bytes: int, files: tuple[int, int]
    ) -> int:
        """See :class:`Storage`. Whole allocation units are counted, of which a small file takes one."""
        there = self.root.absolute()
        while not there.exists():
            there = there.parent
        disk = os.statvfs(there)
        # A shard that is a file has its list of digests beside it, which is not to be counted.
        present = sum(entry.suffix != ".sha256" for entry in self.root.glob("shard-*")) * shard_size
        todo = max(images - present, 0)
        shards = -(-todo // shard_size)
        unit = max(disk.f_frsize, 1) if files[0] else 1
        need = todo * -(-image_bytes // unit) * unit + shards * shard_bytes
        require_space(self.root, need)
        inodes = todo * files[0] + shards * files[1]
        if disk.f_files and disk.f_favail < inodes:
            raise BadInput(
                f"no room at {self}: {inodes:,} files needed, the file system can hold {disk.f_favail:,} more."
            )
        return need

    def prepare(self) -> None:
        """See :class:`Storage`."""
        require_writable(self.root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See :class:`Storage`: a lock that the system lets go of when its holder dies."""
        with lock.locked(self.root):
            yield

    @contextmanager
    def explained(self, need: int) -> Iterator[None]:
        """See :class:`Storage`."""
        with explained(self.root, need):
            yield
