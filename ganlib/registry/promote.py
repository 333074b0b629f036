"""Promotion and rollback: read, decide, record and move under one lock, so that two promoters cannot both win."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ganlib.config import GateConfig
from ganlib.core.errors import BadInput, Unavailable
from ganlib.registry.apply import append_and_apply, apply_pending
from ganlib.registry.audit import displaced
from ganlib.registry.entries import DecisionRecord, Evidence, Kind, LedgerEntry
from ganlib.registry.gate import Check, Decision, decide
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import Ledger, current_actor, under_lock_of
from ganlib.registry.registry import CHAMPION, PREVIOUS, Registry, Version, alias_lock
from ganlib.tracking import runs
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
    again: bool = False,
) -> Decision:
    """Put ``challenger`` through the gate and, if it passes, make it the champion.

    It is recorded as the entry after the last one that was seen when the two were compared, or not at all: whoever
    decides at the same time, here or on another machine, one is the first and the others are told to come again. The
    evidence is written first, then the entry, and only then do the aliases move. Whoever is killed in between leaves
    the old champion or the new one, never two, and the next command that takes the lock carries out what was recorded.

    Args:
        registry: the registered model.
        challenger: the version to promote.
        policy: limits of the gate.
        state: folder of the lock.
        expect: refuse unless the champion is still this version (0: unless there is none).
        dry_run: decide only.
        approval: a version that passes waits for a person (:mod:`ganlib.registry.reconcile`) as ``challenger``.
        again: decide though a person rolled back from it, which else is a refusal that nothing records.

    Raises:
        BadInput: the champion moved since it was read, or the challenger is the champion already.
        Unavailable: MLflow does not answer, another promotion does not end, or somebody else decided meanwhile: nothing
            was moved.
    """
    with alias_lock(state):
        ledger = Ledger(registry.store, registry.name)
        late_entry = None if dry_run else apply_pending(registry, ledger)
        snapshot, champion = ledger.read(), registry.alias(CHAMPION)
        challenger = registry.get(challenger.version)
        if (
            late_entry
            and late_entry.to_version == challenger.version
            and _repeats(late_entry, "promoted", expect, state)
        ):
            return _recorded(registry, challenger)
        if expect is not None:
            _require_still(expect, champion)
        if champion and champion.version == challenger.version:
            raise BadInput(f"version {champion.version} is the champion already. Nothing was changed.")
        decision = decide(challenger, champion, policy, comparisons=snapshot.comparisons(Evidence.of(challenger)))
        if rollback := snapshot.taken_back(challenger):
            decision = _with_rollback(decision, rollback, again)
        if decision.promoted and approval:
            decision = decision.model_copy(update={"promoted": False, "awaiting": True})
        if dry_run:
            return decision.model_copy(update={"dry_run": True})
        if decision.taken_back is None or again:
            record_and_apply(registry, ledger, decision, challenger, champion, snapshot)
    return decision


def record_and_apply(
    registry: Registry,
    ledger: Ledger,
    decision: Decision,
    challenger: Version,
    champion: Version | None,
    snapshot: LedgerSnapshot,
    *,
    by: str | None = None,
) -> LedgerEntry:
    """Write the evidence, record the decision and carry it out; the lock is held.

    Args:
        registry: the registered model.
        ledger: its ledger.
        decision: what the gate said.
        challenger: the version that it was asked about.
        champion: the version that it was compared with.
        snapshot: the ledger at that time.
        by: who decided; default: we.

    Raises:
        BadInput: a person moved the champion meanwhile.
        Unavailable: somebody else decided meanwhile.
    """
    require_agreement(snapshot, champion)
    record(registry, challenger, decision)
    if decision.promoted:
        _require_still(champion.version if champion else 0, registry.alias(CHAMPION))
    return append_and_apply(
        registry, ledger, _record_of(decision, challenger, champion, by or current_actor()), snapshot
    )


def require_agreement(snapshot: LedgerSnapshot, champion: Version | None) -> None:
    """What is decided from ``snapshot`` and ``champion`` must be decided from one state of things.

    Raises:
        BadInput: the alias was moved, and the ledger does not know of it.
        Unavailable: somebody else's decision is being carried out.
    """
    if pending := snapshot.beyond():
        raise Unavailable(
            f"entry {pending[-1].seq} ({pending[-1].kind}) was recorded just now and is being carried out. "
            "Nothing was moved; run the same command again."
        )
    _require_still(snapshot.champion_state().champion or 0, champion)


def rollback(registry: Registry, *, state: Path, expect: int | None = None, reason: str = "") -> LedgerEntry:
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
        Unavailable: MLflow does not answer, another promotion does not end, or somebody else decided meanwhile: nothing
            was moved.
    """
    with alias_lock(state):
        ledger = Ledger(registry.store, registry.name)
        late_entry = apply_pending(registry, ledger)
        if late_entry and _repeats(late_entry, "rolled-back", expect, state):
            return late_entry
        if late_entry and late_entry.kind == "rolled-back":
            raise Unavailable(
                f"somebody else's rollback was recorded and not yet carried out (entry {late_entry.seq}): version "
                f"{late_entry.to_version or 'none'} is champion now. To go back further, run the same command again."
            )
        snapshot, champion = ledger.read(), registry.alias(CHAMPION)
        if expect is not None:
            _require_still(expect, champion)
        require_agreement(snapshot, champion)
        target = displaced(registry, snapshot.champion_state()) or registry.alias(PREVIOUS)
        if target is None or (champion and target.version == champion.version):
            raise BadInput(
                f"there is no earlier champion of {registry.name} to go back to (champion: "
                f"{champion.version if champion else 'none'}). Nothing was changed; see `ganlib registry history`."
            )
        record = DecisionRecord(
            kind="rolled-back",
            from_version=champion.version if champion else None,
            to_version=target.version,
            who=current_actor(),
            reason=reason or "no reason given",
            evidence=tuple(Evidence.of(version) for version in (target, champion) if version),
        )
        return append_and_apply(registry, ledger, record, snapshot)


def _with_rollback(decision: Decision, rollback: LedgerEntry, again: bool) -> Decision:
    """The gate's decision on a version that a person rolled back from, by entry ``rollback``."""
    objection = f"{rollback.who} rolled back from it (entry {rollback.seq}: {rollback.reason})"
    way = f"insisted on all the same, with --again: {objection}" if again else (
        f"{objection}; to promote it all the same: ganlib promote {decision.challenger} --again"
    )  # fmt: skip
    return decision.model_copy(
        update={
            "promoted": decision.promoted and again,
            "checks": (Check(name="taken back", passed=again, detail=way), *decision.checks),
            "taken_back": rollback.seq,
        }
    )


def _repeats(late_entry: LedgerEntry, kind: Kind, expect: int | None, state: Path) -> bool:
    """Whether the command asks for what a killed one had recorded and :func:`apply_pending` has just carried out.

    That it was killed is known only of one that held the lock we hold; another's may be at work still.
    """
    repeated = late_entry.kind == kind and (expect is None or expect == (late_entry.from_version or 0))
    return repeated and under_lock_of(state, late_entry)


def _record_of(decision: Decision, challenger: Version, champion: Version | None, by: str) -> DecisionRecord:
    failures = [f"{check.name}: {check.detail}" for check in decision.checks if not check.passed]
    why = "; ".join(failures) or next(check.detail for check in reversed(decision.checks))
    if decision.taken_back is not None:
        why = f"{decision.checks[0].detail}; {why}"
    kind: Kind = "awaiting" if decision.awaiting else "promoted" if decision.promoted else "refused"
    return DecisionRecord(
        kind=kind,
        from_version=decision.champion,
        to_version=challenger.version,
        who=by,
        reason=why if len(why) <= _REASON else f"{why[:_REASON]}...",
        evidence=tuple(Evidence.of(version) for version in (challenger, champion) if version),
        policy=decision.policy.model_dump(mode="json"),
        again=decision.taken_back is not None,
    )


def _require_still(number: int, champion: Version | None) -> None:
    now = champion.version if champion else 0
    if now != number:
        raise BadInput(
            f"champion moved from {number or 'none'} to {now or 'none'} since you read it. No alias was changed."
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
            runs.open_run(registry.store, challenger.run_id).text(decision.markdown(), "gate/report.md")
