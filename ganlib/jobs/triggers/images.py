"""Cause: ``triggers.inbox`` holds at least ``triggers.min_images`` new images."""

from __future__ import annotations

from ganlib.jobs.triggers import inbox
from ganlib.jobs.triggers.situation import Situation


def due(situation: Situation) -> str | None:
    """Say how many images wait in the inbox; None if there are too few, or there is no inbox."""
    settings = situation.params.triggers
    folder = inbox.folder_of(situation.project, settings)
    if folder is None:
        return None
    count = len(inbox.scan(folder, settings.still_seconds, situation.now.timestamp()).ready)
    return f"{count:,} files wait in {settings.inbox}" if count >= settings.min_images else None
