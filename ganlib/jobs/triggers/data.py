"""Cause: the data version is one that nothing was trained on."""

from __future__ import annotations

from ganlib.jobs.triggers.situation import Situation


def due(situation: Situation) -> str | None:
    """Say which data version has no model; None if it has one. What was never trained is not retrained."""
    md5 = situation.data_version
    if md5 is None or not situation.versions or any(version.data_version == md5 for version in situation.versions):
        return None
    newest = situation.versions[0]
    before = (newest.data_version or "unknown")[:12]
    return f"no version was trained on data version {md5[:12]}; version {newest.version} was on {before}"
