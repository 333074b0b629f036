"""What MLflow knows of the way from a graph's bytes back to where they came from."""

from __future__ import annotations

from ganlib.registry.entries import NON_MOVING, LedgerEntry
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import Listing, Registry


def versions_of(registry: Registry, sha256: str) -> list[Listing]:
    """Return the versions whose graph has these bytes, newest first."""
    return [version for version in registry.versions() if version.sha256 == sha256]


def decisions_on(registry: Registry, version: Listing) -> list[LedgerEntry]:
    """Return the entries that made ``version`` champion, oldest first; of its own bytes, not of a namesake's."""
    return [
        entry
        for entry in Ledger(registry.store, registry.name).read().valid()
        if entry.kind not in NON_MOVING
        and entry.to_version == version.version
        and any(
            evidence.version == version.version and evidence.sha256 == version.sha256 for evidence in entry.evidence
        )
    ]
