"""Cause: ``triggers.inbox`` holds at least ``triggers.min_images`` new images."""

from __future__ import annotations

from ganlib.jobs.triggers.situation import Situation


def due(situation: Situation) -> str | None:
    """Say how many images wait in the inbox; None if there are too few, or there is no inbox."""
    settings, inbox = situation.params.triggers, situation.inbox
    count = len(situation.arrivals.ready)
    if inbox is None or count < settings.min_images:
        return None
    inbox.require_usable()
    return f"{count:,} files wait in {settings.inbox}"
