"""A job's files in a store that fsspec knows: ``s3://bucket/folder``.

A shard is made whole in a scratch folder here and then uploaded, its list of digests last: a shard without its list is
none. There is no lock, because there is nothing there that lets go of one when its holder dies: two processes on one
job upload the same bytes, and one on another job finds the first one's manifest, which is created only where there is
none.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ganlib.core.errors import BadInput, NoSpace, Unavailable
from ganlib.core.files import explained, require_space
from ganlib.core.object_store import ObjectStore
from ganlib.generation.storage.base import Storage, remove, require_few, temporary

_CHUNK = 1 << 20


class Remote(Storage):
    """A folder in a store of fsspec's."""

    def __init__(self, url: str) -> None:
        """Nothing is asked of the store yet.

        Raises:
            BadInput: no such kind of store, or its client is not installed.
        """
        self._objects = ObjectStore(url)
        self._client = self._objects.client
        self._scratch = temporary()
        self._uploads = ThreadPoolExecutor(1, thread_name_prefix="ganlib-upload")
        self._waiting: list[Future[None]] = []

    def __str__(self) -> str:
        """Its URL."""
        return str(self._objects)

    def open(self, name: str) -> IO[bytes]:
        """See :class:`Storage`."""
        with self._objects.reading():
            file: IO[bytes] = self._client.open(self._objects.at(name), "rb")
            return file

    def size(self, name: str) -> int:
        """See :class:`Storage`."""
        with self._objects.reading():
            return int(self._client.size(self._objects.at(name)))

    def exists(self, name: str) -> bool:
        """See :class:`Storage`."""
        return self._objects.exists(name)

    def is_folder(self, name: str) -> bool:
        """See :class:`Storage`."""
        with self._objects.reading():
            return bool(self._client.isdir(self._objects.at(name)))

    def names(self) -> list[str]:
        """See :class:`Storage`."""
        with self._objects.reading():
            try:
                listing = self._client.ls(self._objects.root, detail=True)
            except FileNotFoundError:
                return []
        entries = [(entry["name"].rpartition("/")[2], entry["type"] == "directory") for entry in listing]
        return sorted(name + ("/" if folder else "") for name, folder in entries if name)

    def inside(self, folder: str) -> list[str]:
        """See :class:`Storage`. There are no folders, only names with slashes."""
        with self._objects.reading():
            start = self._objects.at(folder) + "/"
            return sorted(name.removeprefix(start) for name in self._client.find(start))

    def sha256(self, name: str) -> str:
        """See :class:`Storage`."""
        total = hashlib.sha256()
        with self._objects.reading(), self._client.open(self._objects.at(name), "rb", block_size=8 * _CHUNK) as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
        return total.hexdigest()

    def read(self, name: str) -> bytes:
        """See :class:`Storage`."""
        return self._objects.read(name)

    def write(self, name: str, data: bytes) -> None:
        """See :class:`Storage`."""
        self._objects.write(name, data)

    def create(self, name: str, data: bytes) -> None:
        """See :class:`Storage`."""
        try:
            self._objects.create(name, data)
        except FileExistsError:
            raise Unavailable(
                f"another process has begun a job at {self} just now; nothing was changed. Run the same command again: "
                "it goes on with that job if it is the same, and lists the differences if it is not."
            ) from None

    def scratch(self) -> Path:
        """See :class:`Storage`."""
        return Path(self._scratch.name)

    def publish(self, part: Path, name: str, sums: Path, sums_name: str) -> None:
        """See :class:`Storage`. The upload goes on while the next shard is made; the one before is waited for."""
        ready = part.with_name(f"{part.name}.ready"), sums.with_name(f"{sums.name}.ready")
        self.flush()
        part.replace(ready[0])
        sums.replace(ready[1])
        self._waiting.append(self._uploads.submit(self._upload, *ready, name, sums_name))

    def _upload(self, part: Path, sums: Path, name: str, sums_name: str) -> None:
        place = self._objects.at(name)
        try:
            files = sorted(entry for entry in part.rglob("*") if entry.is_file()) if part.is_dir() else [part]
            targets = [f"{place}/{file.relative_to(part).as_posix()}" if file != part else place for file in files]
            with self.explained(sum(file.stat().st_size for file in files)):
                if self._client.exists(self._objects.at(sums_name)):  # from here on there is no such shard
                    self._client.rm(self._objects.at(sums_name))
                self._client.put([str(file) for file in files], targets)
                if strangers := set(self._client.find(f"{place}/")) - set(targets):
                    self._client.rm(sorted(strangers))
                self._client.pipe_file(self._objects.at(sums_name), sums.read_bytes())
        finally:
            remove(part)
            remove(sums)

    def flush(self) -> None:
        """See :class:`Storage`."""
        waiting, self._waiting = self._waiting, []
        for upload in waiting:
            upload.result()

    def sweep(self) -> None:
        """See :class:`Storage`: what is half-made is in the scratch folder, which goes with its process."""

    def require_room(
        self, *, images: int, shard_size: int, image_bytes: int, shard_bytes: int, files: tuple[int, int]
    ) -> int:
        """See :class:`Storage`. The store tells no limit; the scratch folder here has to hold two shards."""
        shards = -(-images // shard_size)
        require_few(shards)
        require_space(self.scratch(), 2 * (min(images, shard_size) * image_bytes + shard_bytes))
        return shards * shard_bytes + images * image_bytes

    def prepare(self) -> None:
        """See :class:`Storage`: there is nothing to make, but the bucket has to be there."""
        with self._objects.reading():
            try:
                self._client.ls(self._objects.root.partition("/")[0])
            except FileNotFoundError:
                raise self._objects.no_bucket from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See :class:`Storage`: there is none, and none is needed (see the module)."""
        yield

    @contextmanager
    def explained(self, need: int) -> Iterator[None]:
        """See :class:`Storage`."""
        try:
            yield
        except FileExistsError:
            raise
        except Exception as error:
            raise self._in_words(error, need) from error

    def _in_words(self, error: Exception, need: int) -> Exception:
        words = self._objects.in_words(error)
        # Of this machine, in the scratch folder: a full disk comes without a name where it is met in mid-file.
        local = isinstance(error, OSError) and (error.filename or error.errno in (errno.ENOSPC, errno.EDQUOT))
        if isinstance(words, Unavailable) and local:
            try:
                with explained(self.scratch(), need):
                    raise error
            except (NoSpace, BadInput) as ours:
                return ours
        return words
