"""Cause: the champion is older than ``triggers.max_age_days``."""

from __future__ import annotations

from datetime import datetime

from ganlib.jobs.triggers.situation import Situation

_DAY = 86400.0


def due(situation: Situation) -> str | None:
    """Say how old the champion is; None if there is none, it is young enough, or no age is set."""
    champion, most = situation.champion, situation.params.triggers.max_age_days
    if champion is None or most is None:
        return None
    days = (situation.now - datetime.fromisoformat(champion.created)).total_seconds() / _DAY
    return f"champion {champion.version} is {days:.1f} days old, more than {most:g}" if days > most else None
