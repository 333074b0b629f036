"""An inbox that is a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganlib.core import locks
from ganlib.core.errors import BadInput
from ganlib.core.files import explained, write_bytes
from ganlib.jobs.triggers.inbox.base import (
    QUARANTINE,
    Arrival,
    Inbox,
    InboxFile,
    arrival_of,
    other_name,
    reason_text,
)


class FolderInbox(Inbox):
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        """Raise :class:`BadInput` if it is not there."""
        if not folder.is_dir():
            raise BadInput(f"triggers.inbox: {folder} is no folder. Make it (mkdir -p {folder}), or set another.")
        self._folder = folder

    def _files(self) -> Iterator[InboxFile]:
        for path in self._folder.rglob("*"):
            try:
                if path.is_file() and not path.is_symlink():
                    yield _listed(path.relative_to(self._folder).as_posix(), path.stat())
            except OSError:  # gone since it was listed
                continue

    def other_owner(self) -> None:
        """See :class:`Inbox`: who may write here does."""

    def require_usable(self) -> None:
        """See :class:`Inbox`."""
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise BadInput(
                f"triggers.inbox: {self._folder} may not be written, so no image could be taken out of it. "
                "Nothing was changed; give this user the right to, or set another folder."
            )

    @contextmanager
    def hold(self) -> Iterator[None]:
        """See :class:`Inbox`."""
        self.require_usable()
        with locks.hold(self._folder / ".ganlib.lock", what="process that empties the inbox", patience=600):
            yield

    def read(self, file: InboxFile) -> Arrival | None:
        """See :class:`Inbox`."""
        path = self._folder / file.name
        try:
            content = path.read_bytes()
            after = _listed(file.name, path.stat())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}. Nothing was taken out of the inbox.") from error
        return arrival_of(file, content) if after.same_content(file) and len(content) == file.size else None

    def set_aside(self, arrival: Arrival, reason: str) -> None:
        """See :class:`Inbox`. The reason is there first."""
        target = self._folder / QUARANTINE / arrival.name
        if target.exists():
            target = self._folder / other_name(arrival)
        with explained(target, len(arrival.content)):
            write_bytes(target.with_name(f"{target.name}.txt"), reason_text(arrival, reason))
            (self._folder / arrival.name).replace(target)

    def remove(self, arrival: Arrival) -> None:
        """See :class:`Inbox`."""
        again = self.read(arrival.file)
        if again and again.sha256 == arrival.sha256:
            with explained(self._folder / arrival.name, 0):
                (self._folder / arrival.name).unlink(missing_ok=True)


def _listed(name: str, status: os.stat_result) -> InboxFile:
    return InboxFile(name, max(status.st_mtime, status.st_ctime), status.st_size, str(status.st_mtime_ns))
