"""The inbox: a folder into which people and programs put new images. What cannot be used is moved to its quarantine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ganlib.config import TriggersConfig
from ganlib.core.errors import BadInput
from ganlib.core.files import explained, sha256_bytes, write_bytes
from ganlib.core.project import Project
from ganlib.data.importing.decode import FORMATS, Rules, Unreadable, decode, read_header
from ganlib.data.importing.files import is_litter
from ganlib.data.importing.folders import is_picture

QUARANTINE = "quarantine"
"""Folder in the inbox: what was not taken, each beside a text file with the reason."""


class Arrivals(NamedTuple):
    """What lies in an inbox, by relative names with slashes, sorted."""

    ready: tuple[str, ...]
    waiting: tuple[str, ...]
    """Written or moved a moment ago: perhaps still being written."""


class Arrival(NamedTuple):
    """One file of an inbox, read whole."""

    name: str
    content: bytes
    sha256: str


def folder_of(project: Project, settings: TriggersConfig) -> Path | None:
    """Return the folder ``triggers.inbox``; None if none is set.

    Raises:
        BadInput: it is not there, or may not be written, so that nothing could be taken out of it.
    """
    if settings.inbox is None:
        return None
    folder = (project.root / Path(settings.inbox).expanduser()).resolve()
    if not folder.is_dir():
        raise BadInput(f"triggers.inbox: {settings.inbox} is no folder. Make it (mkdir -p {folder}), or set another.")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise BadInput(
            f"triggers.inbox: {settings.inbox} may not be written, so no image could be taken out of it. "
            "Nothing was changed; give this user the right to, or set another folder."
        )
    return folder


def scan(folder: Path, still_seconds: float, now: float) -> Arrivals:
    """List the inbox ``folder``; a file that changed within ``still_seconds`` before the Unix time ``now`` waits."""
    ready: list[str] = []
    waiting: list[str] = []
    for name, status in sorted(_walk(folder)):
        last_change = max(status.st_mtime, status.st_ctime)
        (ready if now - last_change >= still_seconds else waiting).append(name)
    return Arrivals(tuple(ready), tuple(waiting))


def _walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if is_litter(name) or name.startswith(f"{QUARANTINE}/") or path.is_symlink():
            continue
        try:
            if path.is_file():
                yield name, path.stat()
        except OSError:  # gone since it was listed
            continue


def read(folder: Path, name: str) -> Arrival | None:
    """Read a file whole; None if it changed meanwhile, or is gone: it waits for the next look."""
    path = folder / name
    try:
        before = path.stat()
        content = path.read_bytes()
        after = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}. Nothing was taken out of the inbox.") from error
    same = (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino)
    return Arrival(name, content, sha256_bytes(content)) if same and len(content) == after.st_size else None


def objection(folder: Path, name: str, rules: Rules, class_names: tuple[str, ...]) -> str | None:
    """Return why a file cannot be used as an image of the data set; None if it can. It is decoded as an import would.

    Args:
        folder: the inbox.
        name: of the file in it; where there are classes, its first folder is the class.
        rules: by which the data set's pictures are made arrays.
        class_names: of the data set; empty where it has none.
    """
    if not is_picture(name):
        return f"its name does not end as that of a picture ({', '.join(FORMATS)})"
    top = PurePosixPath(name).parts[0] if "/" in name else None
    if class_names and top is None:
        return f"it lies in no folder of a class ({_some(class_names)})"
    if class_names and top not in class_names:
        return f"the data set has no class {top!r}, only {_some(class_names)}"
    try:
        with (folder / name).open("rb") as stream:
            read_header(stream)
            stream.seek(0)
            decode(stream, rules)
    except Unreadable as error:
        return str(error)
    return None


def set_aside(folder: Path, arrival: Arrival, reason: str) -> None:
    """Move a file to the quarantine, with ``reason`` in a text file next to it. The reason is there first."""
    target = folder / QUARANTINE / arrival.name
    if target.exists():
        target = target.with_name(f"{target.stem}-{arrival.sha256[:8]}{target.suffix}")
    with explained(target, len(arrival.content)):
        write_bytes(target.with_name(f"{target.name}.txt"), f"{arrival.name}: {reason}\n".encode())
        (folder / arrival.name).replace(target)


def remove(folder: Path, arrival: Arrival) -> None:
    """Take a file out of the inbox that is kept elsewhere by now; one that was replaced meanwhile stays."""
    again = read(folder, arrival.name)
    if again and again.sha256 == arrival.sha256:
        with explained(folder / arrival.name, 0):
            (folder / arrival.name).unlink(missing_ok=True)


def _some(class_names: tuple[str, ...]) -> str:
    more = f" and {len(class_names) - 5} more" if len(class_names) > 5 else ""
    return ", ".join(class_names[:5]) + more
