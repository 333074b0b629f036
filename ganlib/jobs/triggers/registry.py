"""Cause: the champion was taken back and nothing was registered since, or it is gone."""

from __future__ import annotations

from datetime import datetime

from ganlib.jobs.triggers.situation import Situation


def due(situation: Situation) -> str | None:
    """Say what became of the champion; None if it is the one that a gate or a person chose."""
    entry = situation.ledger.last_move()
    if entry is None:  # there never was one
        return None
    before = situation.last is None or situation.last < datetime.fromisoformat(entry.time)
    if entry.kind == "rolled-back" and before:
        return f"version {entry.from_version or 'none'} was taken back (entry {entry.seq}: {entry.reason[:200]})"
    if situation.champion is None:
        return f"there is no champion any more (entry {entry.seq}: {entry.reason[:200]})"
    return None
