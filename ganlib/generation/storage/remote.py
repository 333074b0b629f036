"""A job's files in a store that fsspec knows: ``s3://bucket/folder``.

A shard is made whole in a scratch folder here and then uploaded, its list of digests last: a shard without its list is
none. Objects appear whole (an upload that dies leaves nothing that can be seen). There is no lock, because there is
nothing there that lets go of one when its holder dies: two processes on one job upload the same bytes, and one on
another job finds the first one's manifest, which is created only where there is none.
"""

from __future__ import annotations

import errno
import hashlib
import inspect
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ganlib.core.errors import BadInput, GanlibError, NoSpace, Unavailable
from ganlib.core.files import explained, require_space
from ganlib.generation.storage.base import Storage, remove, require_few, temporary

_CHUNK = 1 << 20
_LOGIN_ERRORS = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "ParamValidationError"}


def _require_url_enough(kind: type, scheme: str) -> None:
    """Raise :class:`ValueError` for a kind of store that wants a host, a user or a token besides."""
    settings = [
        name
        for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]  # type: ignore[misc]
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if settings:
        raise ValueError(f"{scheme}:// is no kind of store that this works with; s3:// is")


class Remote(Storage):
    """A folder in a store of fsspec's."""

    def __init__(self, url: str) -> None:
        """Nothing is asked of the store yet.

        Raises:
            BadInput: no such kind of store, or its client is not installed.
        """
        import fsspec

        kind_of, _, place = url.partition("://")
        if not place.strip("/"):
            raise BadInput(f"{url} names no bucket.")
        self.url = url.rstrip("/")
        try:
            kind = fsspec.get_filesystem_class(kind_of)
            _require_url_enough(kind, kind_of)
            # Nothing is cached: what others did to the store since is what we want to see.
            self._store: Any = kind(use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            extra = " (pip install 'ganlib[s3]')" if self.url.startswith("s3:") else ""
            raise BadInput(f"{url} needs a package that is not installed{extra}: {error}.") from error
        except ValueError as error:
            raise BadInput(f"{url}: {error}.") from error
        self._root: str = kind._strip_protocol(self.url)  # noqa: SLF001  (fsspec's, which its own documentation has stores override)
        self._scratch = temporary()
        self._uploads = ThreadPoolExecutor(1, thread_name_prefix="ganlib-upload")
        self._waiting: list[Future[None]] = []

    def __str__(self) -> str:
        """Its URL."""
        return self.url

    def _at(self, name: str) -> str:
        return f"{self._root}/{name.rstrip('/')}"

    def open(self, name: str) -> IO[bytes]:
        """See :class:`Storage`."""
        with self._reading():
            file: IO[bytes] = self._store.open(self._at(name), "rb")
            return file

    def size(self, name: str) -> int:
        """See :class:`Storage`."""
        with self._reading():
            return int(self._store.size(self._at(name)))

    def exists(self, name: str) -> bool:
        """See :class:`Storage`."""
        with self._reading():
            return bool(self._store.exists(self._at(name)))

    def is_folder(self, name: str) -> bool:
        """See :class:`Storage`."""
        with self._reading():
            return bool(self._store.isdir(self._at(name)))

    def names(self) -> list[str]:
        """See :class:`Storage`."""
        with self._reading():
            try:
                listing = self._store.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
        entries = [(entry["name"].rpartition("/")[2], entry["type"] == "directory") for entry in listing]
        return sorted(name + ("/" if folder else "") for name, folder in entries if name)

    def inside(self, folder: str) -> list[str]:
        """See :class:`Storage`. There are no folders, only names with slashes."""
        with self._reading():
            start = self._at(folder) + "/"
            return sorted(name.removeprefix(start) for name in self._store.find(start))

    def sha256(self, name: str) -> str:
        """See :class:`Storage`."""
        total = hashlib.sha256()
        with self._reading(), self._store.open(self._at(name), "rb", block_size=8 * _CHUNK) as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
        return total.hexdigest()

    def read(self, name: str) -> bytes:
        """See :class:`Storage`."""
        with self._reading():
            data: bytes = self._store.cat_file(self._at(name))
            return data

    def write(self, name: str, data: bytes) -> None:
        """See :class:`Storage`."""
        with self.explained(len(data)):
            self._store.pipe_file(self._at(name), data)

    def create(self, name: str, data: bytes) -> None:
        """See :class:`Storage`."""
        try:
            with self.explained(len(data)):
                self._store.pipe_file(self._at(name), data, mode="create")
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
        place = self._at(name)
        try:
            files = sorted(entry for entry in part.rglob("*") if entry.is_file()) if part.is_dir() else [part]
            targets = [f"{place}/{file.relative_to(part).as_posix()}" if file != part else place for file in files]
            with self.explained(sum(file.stat().st_size for file in files)):
                if self._store.exists(self._at(sums_name)):  # from here on there is no such shard
                    self._store.rm(self._at(sums_name))
                self._store.put([str(file) for file in files], targets)
                if strangers := set(self._store.find(f"{place}/")) - set(targets):
                    self._store.rm(sorted(strangers))
                self._store.pipe_file(self._at(sums_name), sums.read_bytes())
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
        bucket = self._root.partition("/")[0]
        with self._reading():
            try:
                self._store.ls(bucket)
                exists = True
            except FileNotFoundError:
                exists = False
        if not exists:
            raise BadInput(f"there is no bucket {bucket!r} for {self}; nothing was made. Create it, or name another.")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See :class:`Storage`: there is none, and none is needed (see the module)."""
        yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """As :meth:`explained`, but what is not there stays :class:`FileNotFoundError`."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            raise self._explain(error) from error

    @contextmanager
    def explained(self, need: int) -> Iterator[None]:
        """See :class:`Storage`."""
        try:
            yield
        except FileExistsError:
            raise
        except Exception as error:
            raise self._explain(error, need) from error

    def _explain(self, error: Exception, need: int = 0) -> Exception:
        kind, text = type(error).__name__, " ".join(str(error).split()).rstrip(".") or type(error).__name__
        advice = "What is already there was kept; run the same command again once that is mended."
        if isinstance(error, GanlibError):
            return error
        if isinstance(error, PermissionError) or kind in _LOGIN_ERRORS:
            return BadInput(f"{self} refuses these credentials ({text}). {advice}")
        if isinstance(error, FileNotFoundError):
            return BadInput(f"{self} is not there any more ({text}). {advice}")
        # Of this machine, in the scratch folder: a full disk comes without a name where it is met in mid-file.
        if isinstance(error, OSError) and (error.filename or error.errno in (errno.ENOSPC, errno.EDQUOT)):
            try:
                with explained(self.scratch(), need):
                    raise error
            except (NoSpace, BadInput) as ours:
                return ours
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _CLIENTS:
            return Unavailable(f"{self} cannot be reached ({text}). {advice}")
        return error


_CLIENTS = {"botocore", "aiobotocore", "aiohttp"}
