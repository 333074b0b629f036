"""Where a job's files are: a folder of this machine. :mod:`ganlib.generation.remote` has the stores behind a URL.

Names are relative to the job, with ``/`` between their parts. Whatever is written appears whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

from ganlib.errors import BadInput
from ganlib.files import explained, require_space, require_writable, sha256_file, write_bytes
from ganlib.generation import lock

if TYPE_CHECKING:
    from ganlib.generation.manifest import Job

SHARDS_LIMIT = 1_000_000  # each has a row in the manifest


class Storage(ABC):
    """A job's files. ``str`` of it is what users call it."""

    # Reading

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """The file ``name``, seekable. Raises :class:`OSError` if it is absent or cannot be read."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of the file ``name``. Raises :class:`OSError` as :meth:`open`."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is a file or folder ``name``."""

    @abstractmethod
    def is_folder(self, name: str) -> bool:
        """Whether ``name`` is a folder."""

    @abstractmethod
    def names(self) -> list[str]:
        """What lies at the top, sorted; folders end with ``/``. Empty if the job is not there at all."""

    @abstractmethod
    def inside(self, folder: str) -> list[str]:
        """All that lies within ``folder``, at any depth, relative to it, sorted; folders too, where there are any."""

    @abstractmethod
    def sha256(self, name: str) -> str:
        """Digest of the file ``name``, lower-case hex. Raises :class:`OSError` as :meth:`open`."""

    def read(self, name: str) -> bytes:
        """The bytes of the file ``name``. Raises :class:`OSError` as :meth:`open`."""
        with self.open(name) as file:
            return file.read()

    # Writing

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Put ``data`` at ``name``, atomically, over what is there."""

    @abstractmethod
    def create(self, name: str, data: bytes) -> None:
        """Put ``data`` at ``name``, where nothing is.

        Raises:
            Unavailable: another process was first; where a lock rules that out, never.
        """

    @abstractmethod
    def scratch(self) -> Path:
        """The folder of this machine in which parts are made before :meth:`publish` makes them appear."""

    @abstractmethod
    def publish(self, part: Path, name: str, sums: Path, sums_name: str) -> None:
        """Make the file or folder ``part`` appear as ``name`` and its list of digests ``sums`` as ``sums_name``.

        Both are used up. Whoever sees the list sees all of the shard. May go on in the background: see :meth:`flush`.
        """

    @abstractmethod
    def flush(self) -> None:
        """Wait until all that was published is there; raises what went wrong with it."""

    @abstractmethod
    def sweep(self) -> None:
        """Remove what killed processes left half-made. Call it while holding the lock."""

    # Before and around the work

    @abstractmethod
    def require_room(self, job: Job, image_bytes: int, shard_bytes: int, files: tuple[int, int]) -> int:
        """Check that what is still to be made of ``job`` fits; the bytes needed, by a cautious estimate.

        Args:
            job: the job.
            image_bytes: an upper bound of what an image takes.
            shard_bytes: an upper bound of what a shard takes besides.
            files: how many an image and a shard are.

        Raises:
            NoSpace: it does not.
            BadInput: it is too many files.
        """

    @abstractmethod
    def prepare(self) -> None:
        """Make it ready for writing; raises :class:`BadInput` or :class:`Unavailable` if it cannot be written."""

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """Held by whoever makes shards. Raises :class:`Unavailable` if another process is at work."""

    @abstractmethod
    def explained(self, needed: int) -> AbstractContextManager[None]:
        """Turn failures of writing inside into our errors; ``needed`` is how many bytes were to be written."""


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

    def require_room(self, job: Job, image_bytes: int, shard_bytes: int, files: tuple[int, int]) -> int:
        """See :class:`Storage`. Whole allocation units are counted, of which a small file takes one."""
        there = self.root.absolute()
        while not there.exists():
            there = there.parent
        disk = os.statvfs(there)
        # A shard that is a file has its list of digests beside it, which is not to be counted.
        present = sum(entry.suffix != ".sha256" for entry in self.root.glob("shard-*")) * job.shard_size
        todo = max(job.count - present, 0)
        shards = -(-todo // job.shard_size)
        unit = max(disk.f_frsize, 1) if files[0] else 1
        needed = todo * -(-image_bytes // unit) * unit + shards * shard_bytes
        require_space(self.root, needed)
        wanted = todo * files[0] + shards * files[1]
        if disk.f_files and disk.f_favail < wanted:
            raise BadInput(
                f"no room at {self}: {wanted:,} files needed, the file system can hold {disk.f_favail:,} more."
            )
        return needed

    def prepare(self) -> None:
        """See :class:`Storage`."""
        require_writable(self.root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See :class:`Storage`: a lock that the system lets go of when its holder dies."""
        with lock.locked(self.root):
            yield

    @contextmanager
    def explained(self, needed: int) -> Iterator[None]:
        """See :class:`Storage`."""
        with explained(self.root, needed):
            yield


Where: TypeAlias = Path | str | Storage
"""A path, a URL, or the storage itself."""


def at(where: Where) -> Storage:
    """The storage that a path or a URL such as ``s3://bucket/folder`` names.

    Raises:
        BadInput: what that kind of URL needs is not installed.
    """
    if isinstance(where, Storage):
        return where
    if isinstance(where, str) and is_url(where):
        from ganlib.generation.remote import Remote

        return Remote(where)
    return Folder(Path(where))


def is_url(where: str) -> bool:
    """Whether ``where`` names a store behind a URL rather than a folder."""
    return "://" in where


def temporary() -> tempfile.TemporaryDirectory[str]:
    """A scratch folder of this machine for what is uploaded once it is whole."""
    return tempfile.TemporaryDirectory(prefix="ganlib-")


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def require_few(count: int) -> None:
    """Raise :class:`BadInput` for more shards than a manifest can name."""
    if count > SHARDS_LIMIT:
        raise BadInput(f"{count:,} shards are more than the {SHARDS_LIMIT:,} that a job can have: raise --shard-size.")
