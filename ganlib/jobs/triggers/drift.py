"""Cause: a batch, or the images that wait in the inbox, are not what the champion was trained for."""

from __future__ import annotations

from ganlib.jobs.triggers.situation import Situation


def due(situation: Situation) -> str | None:
    """Say what drifts; None if nothing does."""
    return None
