"""Files that are either whole or absent, and digests of them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganlib.core.errors import BadInput, NoSpace, ReadOnly

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_WORDS = re.compile(r"database or disk is full|No space left on device|Disk quota exceeded")
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


def sha256_bytes(data: bytes) -> str:
    """Return the lower-case hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the lower-case hex SHA-256 of the file at ``path``, read in chunks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Provide a temporary path beside ``path`` that replaces it on success and disappears on failure.

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
    """Return ``value`` as readable JSON."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as readable JSON to ``path`` atomically."""
    write_bytes(path, json_bytes(value))


def require_space(folder: Path, need: int) -> None:
    """Raise :class:`NoSpace` unless the file system that holds ``folder`` has ``need`` bytes free."""
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < need:
        raise NoSpace(folder, need=need, free=free)


def require_writable(folder: Path) -> None:
    """Create ``folder`` if need be; raise :class:`BadInput` if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _explain(error, folder, 0) from error


@contextlib.contextmanager
def explained(path: Path, need: int) -> Iterator[None]:
    """Turn an ``OSError`` from inside into :class:`NoSpace` or :class:`BadInput` about ``path``.

    ``need`` is how many bytes the whole of the work inside was to write.
    """
    try:
        yield
    except OSError as error:
        raise _explain(error, path, need) from error


def _explain(error: OSError, path: Path, need: int) -> Exception:
    if error.errno in _FULL:
        return NoSpace(path, need=need, free=0)
    kind = ReadOnly if error.errno in _FORBIDDEN else BadInput
    return kind(f"cannot write {path}: {error.strerror}.")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error``, what it was raised from, what that was raised from, and so on."""
    chain: list[BaseException] = []
    while error not in chain:
        chain.append(error)
        yield error
        error = error.__cause__ or error.__context__ or error


def as_user_error(error: BaseException, *places: Path) -> BadInput | None:
    """Put ``error`` of a disk that is full, or may not be written, in words for the user; None if it is no such one.

    Libraries wrap such errors in their own, or keep only the words. ``places`` is where this process writes, besides
    its temporary folder: where an error names no file, the fullest is meant.
    """
    for each in causes(error):
        if isinstance(each, NoSpace | ReadOnly):
            return each
        text = str(each)
        number, name = (each.errno, each.filename) if isinstance(each, OSError) else (None, None)
        if number in _FULL or _FULL_WORDS.search(text):
            place, free = _fullest(*places)
            detail = f"{each.__class__.__name__}: {first_line(each)}"
            return NoSpace(name or place, need=None, free=free, detail=detail)
        if number in _FORBIDDEN or "attempt to write a readonly database" in text:
            return ReadOnly(f"no access to {name or ' and '.join(map(str, places))}: {first_line(each)}.")
    return None


def first_line(error: BaseException) -> str:
    """Return the first line of what ``error`` says, or its name where it says nothing."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return next((line.strip().rstrip(".:") for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _fullest(*places: Path) -> tuple[Path, int]:
    """Which of the places and the temporary folder has the least space, and how many bytes."""
    temporary = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108  (named, not used; Python would take another)
    there = [place for place in (temporary, *places) if place.exists()] or [Path("/")]
    return min(((place, shutil.disk_usage(place).free) for place in there), key=lambda pair: pair[1])
