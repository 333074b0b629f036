"""Where a job's files are: a file a kind of place, and the one function that chooses between them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from ganlib.generation.storage.base import Storage
from ganlib.generation.storage.folder import Folder

Where: TypeAlias = Path | str | Storage
"""A path, a URL, or the storage itself."""


def locate(where: Where) -> Storage:
    """The storage that a path or a URL such as ``s3://bucket/folder`` names.

    Raises:
        BadInput: what that kind of URL needs is not installed.
    """
    if isinstance(where, Storage):
        return where
    if isinstance(where, str) and is_url(where):
        from ganlib.generation.storage.remote import Remote

        return Remote(where)
    return Folder(Path(where))


def is_url(where: str) -> bool:
    """Whether ``where`` names a store behind a URL rather than a folder."""
    return "://" in where
