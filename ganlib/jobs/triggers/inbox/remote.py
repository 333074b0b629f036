"""An inbox that is a prefix of S3.

There is no lock on S3, because nothing there lets go of one when its holder dies. So an inbox is one checkout's, which
is written down in it (:mod:`~ganlib.jobs.triggers.inbox.owner`); of its processes one at a time holds a lock here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ganlib.core import locks
from ganlib.core.object_store import ObjectStore
from ganlib.core.project import Project
from ganlib.jobs.triggers.inbox import owner
from ganlib.jobs.triggers.inbox.base import (
    QUARANTINE,
    Arrival,
    Inbox,
    InboxFile,
    arrival_of,
    other_name,
    reason_text,
)


class RemoteInbox(Inbox):
    """A prefix of S3, whose objects appear whole."""

    at_once = 16

    def __init__(self, url: str, project: Project) -> None:
        """Nothing is asked of the store yet.

        Raises:
            BadInput: it names no bucket, or the extra ``s3`` is not installed.
        """
        self._objects = ObjectStore(url)
        self._project = project

    def _files(self) -> Iterator[InboxFile]:
        """See :class:`Inbox`. One listing, a request for a thousand objects."""
        with self._objects.reading():
            try:
                listing: dict[str, Any] = self._objects.client.find(self._objects.root, detail=True)
            except FileNotFoundError:
                raise self._objects.no_bucket from None
        start = self._objects.at("")
        for key, facts in listing.items():
            if key.startswith(start) and not key.endswith("/"):  # with which consoles make what they show as a folder
                yield _listed(key.removeprefix(start), facts)

    def other_owner(self) -> str | None:
        """See :class:`Inbox`."""
        return owner.other(self._objects, self._project)

    def require_usable(self) -> None:
        """See :class:`Inbox`: an object is written and removed again."""
        self._objects.require_writable()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """See :class:`Inbox`."""
        with locks.hold(self._project.state / "inbox.lock", what="process that empties the inbox", patience=600):
            owner.require_no_other(self._objects, self._project)  # nothing is tried in another's
            self.require_usable()
            owner.claim(self._objects, self._project)
            yield

    def read(self, file: InboxFile) -> Arrival | None:
        """See :class:`Inbox`."""
        with self._objects.reading():
            try:
                # In one request, whatever its size: several might be answered with parts of different objects.
                content = self._objects.client.cat_file(self._objects.at(file.name), max_concurrency=1)
            except FileNotFoundError:
                return None
        return arrival_of(file, content) if len(content) == file.size else None

    def set_aside(self, arrival: Arrival, reason: str) -> None:
        """See :class:`Inbox`. It leaves its place last: a kill before leaves the same to do again."""
        name = f"{QUARANTINE}/{arrival.name}"
        if self._is_of_another(name, arrival.content):
            name = other_name(arrival)
        self._objects.write(f"{name}.txt", reason_text(arrival, reason))
        self._objects.write(name, arrival.content)
        self.remove(arrival)

    def _is_of_another(self, name: str, content: bytes) -> bool:
        try:
            return self._objects.read(name) != content
        except FileNotFoundError:
            return False

    def remove(self, arrival: Arrival) -> None:
        """See :class:`Inbox`."""
        key = self._objects.at(arrival.name)
        with self._objects.explained():
            try:
                facts = self._objects.client.info(key)
            except FileNotFoundError:
                return
            if facts["type"] == "file" and _listed(arrival.name, facts).same_content(arrival.file):
                self._objects.client.rm_file(key)


def _listed(name: str, facts: dict[str, Any]) -> InboxFile:
    return InboxFile(name, facts["LastModified"].timestamp(), facts["size"], facts["ETag"])
