"""Promotion: read, decide and move under one lock, so that two promoters cannot both win."""

from __future__ import annotations

from pathlib import Path

from ganlib.config import GateConfig
from ganlib.errors import BadInput
from ganlib.locks import held
from ganlib.registry.gate import Decision, decide
from ganlib.registry.versions import CHALLENGER, CHAMPION, PREVIOUS, Registry, Version


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

    The champion is read under the lock, so what was compared is what is replaced. The champion's alias moves in one
    call, after ``previous``: whoever is killed in between leaves the old champion or the new one, never two.

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
    with held(state / "promotion.lock", what="promotion"):
        champion = registry.alias(CHAMPION)
        now = champion.version if champion else 0
        if expect is not None and expect != now:
            raise BadInput(
                f"champion moved from {expect or 'none'} to {now or 'none'} since you read it. Nothing was changed."
            )
        if now == challenger.version:
            raise BadInput(f"version {now} is the champion already. Nothing was changed.")
        decision = decide(challenger, champion, policy)
        if dry_run:
            return decision.model_copy(update={"dry_run": True})
        registry.tag(challenger.version, {"gate": decision.model_dump_json()})
        if decision.promoted:
            if champion:
                registry.set_alias(PREVIOUS, champion.version)
            registry.set_alias(CHAMPION, challenger.version)
            if CHALLENGER in challenger.aliases:
                registry.delete_alias(CHALLENGER)
        if challenger.run_id:
            registry.store.open_run(challenger.run_id).text(decision.markdown(), "gate/report.md")
    return decision
