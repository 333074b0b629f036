"""What MLflow knows of the way from a graph's bytes back to where they came from."""

from __future__ import annotations

from ganlib.registry.entries import NON_MOVING, LedgerEntry
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import Listing, Registry
from ganlib.tracking.store import MlflowStore


def versions_of(registry: Registry, sha256: str) -> list[Listing]:
    """Return the versions whose graph has these bytes, newest first."""
    return [version for version in registry.versions() if version.sha256 == sha256]


def versions_by_run(store: MlflowStore) -> dict[str, str]:
    """Return the version that each run became, as in ``mnist-generator 7``; the first, of one that became several."""
    with store.translate_errors():
        entries = store.client.search_model_versions(max_results=10_000)
    descending = sorted(entries, key=lambda entry: -int(entry.version))
    return {entry.run_id: f"{entry.name} {entry.version}" for entry in descending if entry.run_id}


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
