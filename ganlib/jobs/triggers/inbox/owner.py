"""Whose an inbox on S3 is: the checkout that first takes images out of it writes itself down there.

Two checkouts have a data version each, so an image that one of them takes is missing in the other's, and both may read
the same image before one removes it. A copy of a checkout in another folder is another checkout.
"""

from __future__ import annotations

import socket
import uuid
from contextlib import suppress

from pydantic import ValidationError

from ganlib.core.errors import BadInput
from ganlib.core.files import json_bytes, sha256_bytes, write_bytes
from ganlib.core.object_store import ObjectStore
from ganlib.core.project import Project
from ganlib.core.record import Record

FILE = ".ganlib-owner"
"""Object in the inbox: an :class:`InboxOwner`."""
_ID = "checkout-id"
"""File in the project's state, with a random name that no other checkout has: a container's host name does not last."""


class InboxOwner(Record):
    """The checkout that an inbox belongs to."""

    checkout: str
    """Digest of its random name and its folder."""
    place: str = "unknown"
    """For people: host and folder."""


def other(objects: ObjectStore, project: Project) -> str | None:
    """Return which other checkout the inbox belongs to; None: this one, or none yet."""
    owner = _read(objects)
    return None if owner is None or owner.checkout == _checkout(project) else owner.place


def claim(objects: ObjectStore, project: Project) -> None:
    """Make the inbox this checkout's, unless it is already.

    Raises:
        BadInput: it is another's.
    """
    if _read(objects) is None:
        if not (project.state / _ID).exists():
            write_bytes(project.state / _ID, uuid.uuid4().hex.encode())
        mine = InboxOwner(checkout=_checkout(project), place=f"{socket.gethostname()}:{project.root}")
        with suppress(FileExistsError):  # another was first
            objects.create(FILE, json_bytes(mine.model_dump(mode="json")))
    require_no_other(objects, project)


def require_no_other(objects: ObjectStore, project: Project) -> None:
    """Raise :class:`BadInput` if the inbox is another checkout's."""
    if place := other(objects, project):
        raise BadInput(
            f"triggers.inbox: {objects} belongs to the checkout {place}, which takes its images. Nothing was changed. "
            f"If that one does so no more, delete {objects}/{FILE} and run the same command again."
        )


def _read(objects: ObjectStore) -> InboxOwner | None:
    try:
        return InboxOwner.model_validate_json(objects.read(FILE))
    except FileNotFoundError:
        return None
    except ValidationError:  # not ours to overwrite
        return InboxOwner(checkout="")


def _checkout(project: Project) -> str:
    path = project.state / _ID
    name = path.read_text() if path.exists() else ""  # it has claimed nothing yet
    return sha256_bytes(f"{name}:{project.root}".encode())[:16]
