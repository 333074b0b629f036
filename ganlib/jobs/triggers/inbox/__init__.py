"""The inbox, into which people and programs put new images: a folder, or a prefix of S3. A file a kind of place."""

from __future__ import annotations

from pathlib import Path

from ganlib.config import TriggersConfig
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.generation.storage import is_url
from ganlib.jobs.triggers.inbox.base import Inbox
from ganlib.jobs.triggers.inbox.folder import FolderInbox


def inbox_of(project: Project, settings: TriggersConfig) -> Inbox | None:
    """Return the inbox ``triggers.inbox``; None if none is set. Of a store behind a URL nothing is asked yet.

    Raises:
        BadInput: it is no folder, or no place on S3.
    """
    place = settings.inbox
    if place is None:
        return None
    if not is_url(place):
        return FolderInbox((project.root / Path(place).expanduser()).resolve())
    if not place.startswith("s3://"):
        raise BadInput(f"triggers.inbox: {place} is neither a folder nor s3://BUCKET/PREFIX. Nothing was changed.")
    from ganlib.jobs.triggers.inbox.remote import RemoteInbox

    return RemoteInbox(place, project)
