"""What a job asks of the place where its files are.

:mod:`~ganlib.generation.storage.folder` is a folder of this machine, :mod:`~ganlib.generation.storage.remote` a store
behind a URL; :func:`ganlib.generation.storage.locate` tells them apart. Names are relative to the job, with ``/``
between their parts. Whatever is written appears whole or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from ganlib.core.errors import BadInput

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
    def require_room(
        self, *, images: int, shard_size: int, image_bytes: int, shard_bytes: int, files: tuple[int, int]
    ) -> int:
        """Check that what is still to be made of a job fits; return the bytes needed, by a cautious estimate.

        Args:
            images: how many the job has.
            shard_size: how many of them are in a shard.
            image_bytes: an upper bound of what an image takes.
            shard_bytes: an upper bound of what a shard takes besides.
            files: how many files an image and a shard are.

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
    def explained(self, need: int) -> AbstractContextManager[None]:
        """Turn failures of writing inside into our errors; ``need`` is how many bytes were to be written."""


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
