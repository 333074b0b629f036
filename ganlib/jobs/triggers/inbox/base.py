"""What the triggers ask of the place that new images are put into.

:mod:`~ganlib.jobs.triggers.inbox.folder` is a folder of this machine, :mod:`~ganlib.jobs.triggers.inbox.remote` a
prefix of S3; :func:`ganlib.jobs.triggers.inbox.inbox_of` tells them apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import PurePosixPath
from typing import NamedTuple, TypeVar

from ganlib.core.files import sha256_bytes
from ganlib.data.importing.files import is_litter

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

QUARANTINE = "quarantine"
"""Folder in the inbox: what was not taken, each beside a text file with the reason."""


class InboxFile(NamedTuple):
    """One file of an inbox, as it was listed."""

    name: str
    """Relative, with slashes."""
    last_change: float
    """Unix time."""
    size: int
    """Bytes."""
    stamp: str
    """Another one once its content is."""

    def same_content(self, other: InboxFile) -> bool:
        """Return whether it has the content that it had when ``other`` was listed."""
        return (self.size, self.stamp) == (other.size, other.stamp)


class Arrivals(NamedTuple):
    """What lies in an inbox, sorted by name."""

    ready: tuple[InboxFile, ...] = ()
    waiting: tuple[InboxFile, ...] = ()
    """Written or moved a moment ago: perhaps still being written."""


class Arrival(NamedTuple):
    """One file of an inbox, read whole."""

    file: InboxFile
    content: bytes
    sha256: str

    @property
    def name(self) -> str:
        """Its name in the inbox."""
        return self.file.name

    @property
    def without_content(self) -> Arrival:
        """Itself, to be removed from the inbox later."""
        return self._replace(content=b"")


class Inbox(ABC):
    """The place that new images are put into."""

    at_once = 1
    """Files that are best read, or removed, at the same time."""

    def in_parallel(self, work: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield what ``work`` returns for each of the items, in their order; no more is kept than is done at once."""
        with ThreadPoolExecutor(self.at_once) as pool:
            for start in range(0, len(items), self.at_once):
                yield from pool.map(work, items[start : start + self.at_once])

    def scan(self, still_seconds: float, now: float) -> Arrivals:
        """List it; a file that changed within ``still_seconds`` before the Unix time ``now`` waits."""
        ready: list[InboxFile] = []
        waiting: list[InboxFile] = []
        for file in sorted(self._files()):
            if not is_litter(file.name) and not file.name.startswith(f"{QUARANTINE}/"):
                (ready if now - file.last_change >= still_seconds else waiting).append(file)
        return Arrivals(tuple(ready), tuple(waiting))

    @abstractmethod
    def _files(self) -> Iterator[InboxFile]:
        """All files in it, at any depth and in any order."""

    @abstractmethod
    def other_owner(self) -> str | None:
        """Return which other checkout takes the images out of it; None: none does."""

    @abstractmethod
    def require_usable(self) -> None:
        """Try the rights to take files out of it, which changes nothing.

        Raises:
            BadInput: they are missing.
        """

    @abstractmethod
    def hold(self) -> AbstractContextManager[None]:
        """Held by the one process that takes files out of it.

        Raises:
            BadInput: another checkout does, or the rights are missing. Nothing was changed.
            Unavailable: another process does, and does not end.
        """

    @abstractmethod
    def read(self, file: InboxFile) -> Arrival | None:
        """Read a file whole; None if it changed since it was listed, or is gone: it waits for the next look.

        Raises:
            BadInput: it cannot be read.
        """

    @abstractmethod
    def set_aside(self, arrival: Arrival, reason: str) -> None:
        """Move a file to the quarantine, with ``reason`` in a text file next to it."""

    @abstractmethod
    def remove(self, arrival: Arrival) -> None:
        """Take a file out of the inbox that is kept elsewhere by now; one that was replaced meanwhile stays."""


def arrival_of(file: InboxFile, content: bytes) -> Arrival:
    """Return ``file`` with what was read of it."""
    return Arrival(file, content, sha256_bytes(content))


def reason_text(arrival: Arrival, reason: str) -> bytes:
    """Return what the text file next to a file in quarantine says."""
    return f"{arrival.name}: {reason}\n".encode()


def other_name(arrival: Arrival) -> str:
    """Return a name in the quarantine for a file whose own is another's there."""
    path = PurePosixPath(QUARANTINE) / arrival.name
    return str(path.with_name(f"{path.stem}-{arrival.sha256[:8]}{path.suffix}"))
