"""Promotion: read, decide and move under one lock, so that two promoters cannot both win."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ganlib.config import GateConfig
from ganlib.errors import BadInput
from ganlib.registry.gate import Decision, decide
from ganlib.registry.versions import CHAMPION, PREVIOUS, Registry, Version, alias_lock
from ganlib.tracking.store import Absent


def promote(
    registry: Registry,
    challenger: Version,
    *,
    policy: GateConfig,
    state: Path,
    expect: int | None = None,
    dry_run: bool = False,
) -> Decision:
    """Put ``challenger`` through the gate and, if it passes, make it the champion.

    Both are read under the lock, so what was compared is what is replaced; a person who moves the alias in MLflow's
    page takes no lock, so it is read once more before it moves. The evidence is written first, then ``previous``, and
    the champion's alias moves in one call: whoever is killed in between leaves the old champion or the new one,
    never two.

    Args:
        registry: the registered model.
        challenger: the version to promote.
        policy: limits of the gate.
        state: folder of the lock.
        expect: refuse unless the champion is still this version (0: unless there is none).
        dry_run: decide only.

    Raises:
        BadInput: the champion moved since it was read, or the challenger is the champion already.
        Unavailable: MLflow does not answer, or another promotion does not end. Nothing was changed.
    """
    with alias_lock(state):
        champion = registry.alias(CHAMPION)
        challenger = registry.get(challenger.version)
        if expect is not None:
            _require_still(expect, champion)
        if champion and champion.version == challenger.version:
            raise BadInput(f"version {champion.version} is the champion already. Nothing was changed.")
        decision = decide(challenger, champion, policy)
        if dry_run:
            return decision.model_copy(update={"dry_run": True})
        _record(registry, challenger, decision)
        if decision.promoted:
            _require_still(champion.version if champion else 0, registry.alias(CHAMPION))
            if champion:
                registry.set_alias(PREVIOUS, champion.version)
            registry.set_alias(CHAMPION, challenger.version)
            registry.retire_challenger(challenger.version)
    return decision


def _require_still(expected: int, champion: Version | None) -> None:
    now = champion.version if champion else 0
    if now != expected:
        raise BadInput(
            f"champion moved from {expected or 'none'} to {now or 'none'} since you read it. No alias was changed."
        )


def _record(registry: Registry, challenger: Version, decision: Decision) -> None:
    """The decision with its evidence, as a tag of the version and a report in its run."""
    registry.tag(challenger.version, {"gate": decision.model_dump_json()})
    if challenger.run_id:
        with suppress(Absent):  # its run was purged; the tag holds the same
            registry.store.open_run(challenger.run_id).text(decision.markdown(), "gate/report.md")
