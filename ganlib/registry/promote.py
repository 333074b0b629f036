"""Promotion and rollback: read, decide, record and move under one lock, so that two promoters cannot both win."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ganlib.config import GateConfig
from ganlib.errors import BadInput
from ganlib.registry.gate import Decision, decide
from ganlib.registry.ledger import Decided, Entry, Evidence, Kind
from ganlib.registry.ledger_store import Ledger, who
from ganlib.registry.settle import carry_out, displaced, settle
from ganlib.registry.versions import CHAMPION, PREVIOUS, Registry, Version, alias_lock
from ganlib.tracking.store import Absent

_REASON = 1500
"""Characters of the gate's reasons that the ledger keeps; the version's record and its run's report hold them all."""


def promote(
    registry: Registry,
    challenger: Version,
    *,
    policy: GateConfig,
    state: Path,
    expect: int | None = None,
    dry_run: bool = False,
    approval: bool = False,
) -> Decision:
    """Put ``challenger`` through the gate and, if it passes, make it the champion.

    Both are read under the lock, so what was compared is what is replaced; a person who moves the alias in MLflow's
    page takes no lock, so it is read once more before it moves. The evidence is written first, then the ledger's
    entry, and only then do the aliases move. Whoever is killed in between leaves the old champion or the new one,
    never two, and the next command that takes the lock carries out what was recorded.

    Args:
        registry: the registered model.
        challenger: the version to promote.
        policy: limits of the gate.
        state: folder of the lock.
        expect: refuse unless the champion is still this version (0: unless there is none).
        dry_run: decide only.
        approval: a version that passes waits for a person (:mod:`ganlib.registry.reconcile`) as ``challenger``.

    Raises:
        BadInput: the champion moved since it was read, or the challenger is the champion already.
        Unavailable: MLflow does not answer, or another promotion does not end.
    """
    with alias_lock(state):
        ledger = Ledger(registry.store, registry.name)
        finished = None if dry_run else settle(registry, ledger)
        champion = registry.alias(CHAMPION)
        challenger = registry.get(challenger.version)
        if finished and _repeats(finished, "promoted", expect) and finished.to_version == challenger.version:
            return _recorded(registry, challenger)
        if expect is not None:
            _require_still(expect, champion)
        if champion and champion.version == challenger.version:
            raise BadInput(f"version {champion.version} is the champion already. Nothing was changed.")
        decision = decide(challenger, champion, policy, tried=ledger.read().tried(Evidence.of(challenger)))
        if decision.promoted and approval:
            decision = decision.model_copy(update={"promoted": False, "awaiting": True})
        if dry_run:
            return decision.model_copy(update={"dry_run": True})
        conclude(registry, ledger, decision, challenger, champion)
    return decision


def conclude(
    registry: Registry,
    ledger: Ledger,
    decision: Decision,
    challenger: Version,
    champion: Version | None,
    *,
    by: str | None = None,
) -> Entry:
    """Write the evidence, record the decision and carry it out; the lock is held. ``by`` decided (default: we).

    Raises:
        BadInput: somebody moved the champion meanwhile.
    """
    record(registry, challenger, decision)
    if decision.promoted:
        _require_still(champion.version if champion else 0, registry.alias(CHAMPION))
    return carry_out(registry, ledger, _decided(decision, challenger, champion, by or who()))


def rollback(registry: Registry, *, state: Path, expect: int | None = None, reason: str = "") -> Entry:
    """Make the version that the champion displaced champion again, and record it.

    A second rollback goes one further back; the alias ``previous`` names the version it would go to. A rollback that
    was killed is carried out, not done twice.

    Args:
        registry: the registered model.
        state: folder of the lock.
        expect: refuse unless the champion is still this version.
        reason: why, for the ledger.

    Returns:
        The ledger's entry.

    Raises:
        BadInput: the champion moved since it was read, or there is nothing to go back to.
        Unavailable: MLflow does not answer, or another promotion does not end.
    """
    with alias_lock(state):
        ledger = Ledger(registry.store, registry.name)
        finished = settle(registry, ledger)
        if finished and _repeats(finished, "rolled-back", expect):
            return finished
        champion = registry.alias(CHAMPION)
        if expect is not None:
            _require_still(expect, champion)
        target = displaced(registry, ledger.read().standing()) or registry.alias(PREVIOUS)
        if target is None or (champion and target.version == champion.version):
            raise BadInput(
                f"there is no earlier champion of {registry.name} to go back to (champion: "
                f"{champion.version if champion else 'none'}). Nothing was changed; see `ganlib registry history`."
            )
        return carry_out(
            registry,
            ledger,
            Decided(
                kind="rolled-back",
                from_version=champion.version if champion else None,
                to_version=target.version,
                who=who(),
                reason=reason or "no reason given",
                evidence=tuple(Evidence.of(version) for version in (target, champion) if version),
            ),
        )


def _repeats(finished: Entry, kind: Kind, expect: int | None) -> bool:
    """Whether the command asks for what a killed one had recorded and :func:`settle` has just carried out."""
    return finished.kind == kind and (expect is None or expect == (finished.from_version or 0))


def _decided(decision: Decision, challenger: Version, champion: Version | None, by: str) -> Decided:
    failed = [f"{check.name}: {check.detail}" for check in decision.checks if not check.passed]
    why = "; ".join(failed) or next(check.detail for check in reversed(decision.checks))
    kind: Kind = "awaiting" if decision.awaiting else "promoted" if decision.promoted else "refused"
    return Decided(
        kind=kind,
        from_version=decision.champion,
        to_version=challenger.version,
        who=by,
        reason=why if len(why) <= _REASON else f"{why[:_REASON]}...",
        evidence=tuple(Evidence.of(version) for version in (challenger, champion) if version),
        policy=decision.policy.model_dump(mode="json"),
    )


def _require_still(expected: int, champion: Version | None) -> None:
    now = champion.version if champion else 0
    if now != expected:
        raise BadInput(
            f"champion moved from {expected or 'none'} to {now or 'none'} since you read it. No alias was changed."
        )


def _recorded(registry: Registry, challenger: Version) -> Decision:
    try:
        return Decision.model_validate_json(registry.decision(challenger.version) or "")
    except ValueError:  # overwritten by a person
        raise BadInput(f"version {challenger.version} is the champion already: a promotion was completed.") from None


def record(registry: Registry, challenger: Version, decision: Decision) -> None:
    """The decision with its evidence, as a record and a tag of the version, and a report in its run."""
    registry.record_decision(challenger.version, decision.model_dump_json(), decision.word())
    if challenger.run_id:
        with suppress(Absent):  # its run was purged; the record holds the same
            registry.store.open_run(challenger.run_id).text(decision.markdown(), "gate/report.md")
