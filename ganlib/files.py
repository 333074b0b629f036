"""Files that are either whole or absent, and digests of them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganlib.errors import BadInput, NoSpace


def sha256_bytes(data: bytes) -> str:
    """Lower-case hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Lower-case hex SHA-256 of the file at ``path``, read in chunks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it on success and disappears on failure.

    Readers see the old file or the new one, never a part. The data is on disk before the name changes.

    Raises:
        NoSpace: the file system is full; the old file is intact.
        BadInput: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise _explain(error, path, 0) from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise _explain(error, path, part.stat().st_size if part.exists() else 0) from error
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    require_space(path.parent, len(data))
    with atomic_path(path) as part:
        part.write_bytes(data)


def json_bytes(value: Any) -> bytes:
    """``value`` as readable JSON."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as readable JSON to ``path`` atomically."""
    write_bytes(path, json_bytes(value))


def require_space(folder: Path, needed: int) -> None:
    """Raise :class:`NoSpace` unless the file system that holds ``folder`` has ``needed`` bytes free."""
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < needed:
        raise NoSpace(folder, needed=needed, free=free)


def require_writable(folder: Path) -> None:
    """Create ``folder`` if need be; raise :class:`BadInput` if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _explain(error, folder, 0) from error


@contextlib.contextmanager
def explained(path: Path, needed: int) -> Iterator[None]:
    """Turn an ``OSError`` from inside into :class:`NoSpace` or :class:`BadInput` about ``path``.

    ``needed`` is how many bytes the whole of the work inside was to write.
    """
    try:
        yield
    except OSError as error:
        raise _explain(error, path, needed) from error


def _explain(error: OSError, path: Path, needed: int) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(path, needed=needed, free=0)
    return BadInput(f"cannot write {path}: {error.strerror}.")
