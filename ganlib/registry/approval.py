"""A person's answer about a version that passed the gate, by whichever door it comes: on the same terms, and recorded.

The doors are the tag `approve` on MLflow's page and the form on Prefect's; `ganlib promote --approve` is the third, and
the only one that knows who asks: a name in a tag or a form is what somebody typed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from ganlib.config import RegistryConfig
from ganlib.core.errors import BadInput
from ganlib.core.record import Record
from ganlib.registry.apply import append_and_apply, apply_pending
from ganlib.registry.entries import RECONCILE, DecisionRecord, Evidence, LedgerEntry
from ganlib.registry.finding import Finding
from ganlib.registry.gate import Decision
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import Ledger, current_actor
from ganlib.registry.promote import record_and_apply, require_agreement
from ganlib.registry.registry import CHAMPION, Registry, Version, alias_lock
from ganlib.registry.roles import objection, promoter_objection

REASON = 1000
"""Characters of a reason that a decision keeps."""

Gate = Callable[[Version, Version | None, int], Decision]
"""What the gate says of a version against a champion that so many others were compared with; changes nothing."""

_Move = Literal["promoted", "accepted", "rolled-back", "declined"]


class Answer(Record):
    """What somebody says about a version that awaits approval."""

    name: str
    """As it was typed; empty: no name was given."""
    door: str
    """Where it was typed, as in ``Prefect's page``."""
    approve: bool = True
    reason: str = ""

    def who(self) -> str:
        """Return who answered, where, and which process carries it out, for the ledger."""
        return f"{self.name or 'a person'} ({self.door}), found by {current_actor()}"

    def why(self) -> str:
        """Return what begins the ledger's reason."""
        verb, reason = ("approved" if self.approve else "declined"), " ".join(self.reason.split())
        return f"{verb}: {reason}"[:REASON] if reason else verb


class ApprovalOutcome(NamedTuple):
    """What came of an answer."""

    finding: Finding
    words: str
    """The same for a tag."""


def waiting_entry(snapshot: LedgerSnapshot, seq: int) -> LedgerEntry:
    """Return entry ``seq``, whose version waits for a person.

    Raises:
        BadInput: it does not, or not any more.
    """
    for entry in snapshot.waiting():
        if entry.seq == seq:
            return entry
    numbers = {entry.seq: entry.to_version for entry in snapshot.entries()}
    what = f"version {numbers[seq]} awaits no approval by entry {seq}" if seq in numbers else f"there is no entry {seq}"
    raise BadInput(f"{what}: see `ganlib registry history`. Nothing was changed.")


def answer(registry: Registry, seq: int, reply: Answer, *, gate: Gate, rules: RegistryConfig, state: Path) -> Finding:
    """Promote or decline the version that entry ``seq`` has waiting.

    Args:
        registry: the registered model.
        seq: the ledger's entry ``awaiting``.
        reply: what a person said.
        gate: asked again where the champion is another.
        rules: who may.
        state: folder of the lock.

    Returns:
        What came of it; an error if this name may not, or the gate does not pass the version any more.

    Raises:
        BadInput: the version does not wait any more.
        Unavailable: MLflow does not answer, or somebody else decided meanwhile: nothing was moved.
    """
    with alias_lock(state):
        approvals = Approvals(registry, gate, rules)
        apply_pending(registry, approvals.ledger)
        entry = waiting_entry(approvals.ledger.read(), seq)
        number = entry.to_version or 0
        return (approvals.approve if reply.approve else approvals.decline)(number, reply).finding


class Approvals:
    """Answers about versions of one registered model, and moves that no command asked for; the lock is held."""

    def __init__(self, registry: Registry, gate: Gate, rules: RegistryConfig) -> None:
        """``gate`` is asked about versions on which the ledger has no word; ``rules`` say who may do what."""
        self.registry, self.gate, self.rules = registry, gate, rules
        self.ledger = Ledger(registry.store, registry.name)

    def approve(self, number: int, reply: Answer) -> ApprovalOutcome:
        """Make version ``number`` champion if this name may approve it, and the gate has passed it or does so now."""
        snapshot, champion = self.ledger.read(), self.registry.alias(CHAMPION)
        challenger = self.registry.get(number)
        if champion and champion.version == number:
            text = f"version {number} is champion; its approval was not needed"
            return ApprovalOutcome(Finding(level="info", text=text), "is champion")
        reason = objection(self.registry, self.rules, challenger, reply.name)
        rollback = snapshot.taken_back(challenger)
        if reason or rollback:
            why = reason or taken_back_words(rollback)
            text = f"version {number} was approved, but {why}"
            return ApprovalOutcome(
                Finding(level="error", text=text, entry=None if reason else rollback), f"refused: {why}"
            )
        verdict = snapshot.verdict(challenger)
        against = champion.version if champion else None
        if verdict and verdict.kind == "awaiting" and verdict.from_version == against:
            why = f"{reply.why()}; the gate had passed it (entry {verdict.seq})"
            entry = self.record_and_apply(snapshot, "promoted", champion, challenger, why, reply.who())
        elif verdict and (verdict.kind, verdict.who, verdict.from_version) == ("refused", reply.who(), against):
            entry = verdict  # killed before the answer was noted
        else:
            entry = self._ask(snapshot, challenger, champion, reply)
        return _approval_outcome(number, entry)

    def _ask(
        self, snapshot: LedgerSnapshot, challenger: Version, champion: Version | None, reply: Answer
    ) -> LedgerEntry:
        """Ask the gate about what was approved, and do as it says, or as the policy says in spite of it."""
        decision = self.decide(challenger, champion)
        if decision.promoted or self.rules.external != "accept":
            by = reply.who()
            return record_and_apply(self.registry, self.ledger, decision, challenger, champion, snapshot, by=by)
        failures = "; ".join(f"{check.name}: {check.detail}" for check in decision.checks if not check.passed)
        why = f"{reply.why()}; policy registry.external: accept, though the gate does not pass it: {failures}"
        return self.record_and_apply(snapshot, "accepted", champion, challenger, why[:REASON], reply.who())

    def decline(self, number: int, reply: Answer) -> ApprovalOutcome:
        """Record that version ``number`` was not approved, if this name may say so: it waits no more."""
        if reason := promoter_objection(self.rules, reply.name, "decline"):
            text = f"version {number} was declined, but {reason}"
            return ApprovalOutcome(Finding(level="error", text=text), f"refused: {reason}")
        snapshot, champion = self.ledger.read(), self.registry.alias(CHAMPION)
        target = self.registry.get(number)
        entry = self.record_and_apply(snapshot, "declined", champion, target, reply.why(), reply.who())
        finding = Finding(level="info", text=f"version {number} was declined; the champion is as it was", entry=entry)
        return ApprovalOutcome(finding, f"declined (entry {entry.seq})")

    def decide(self, challenger: Version, champion: Version | None) -> Decision:
        """Ask the gate."""
        return self.gate(challenger, champion, self.ledger.read().comparisons(Evidence.of(challenger)))

    def record_and_apply(
        self,
        snapshot: LedgerSnapshot,
        kind: _Move,
        champion: Version | None,
        target: Version | None,
        reason: str,
        by: str | None = None,
    ) -> LedgerEntry:
        """Record what a person or the policy decided, and carry it out.

        Args:
            snapshot: the ledger that it was decided from.
            kind: what was decided.
            champion: the version that is champion.
            target: the version that it is about; of a move, the one that becomes champion.
            reason: why.
            by: who decided; default: the policy.

        Raises:
            BadInput: a person moved the champion meanwhile.
            Unavailable: somebody else decided meanwhile.
        """
        require_agreement(snapshot, champion)
        versions = {version.version: version for version in (target, champion) if version}
        return append_and_apply(
            self.registry,
            self.ledger,
            DecisionRecord(
                kind=kind,
                from_version=champion.version if champion else None,
                to_version=target.version if target else None,
                who=by or f"{RECONCILE}, {current_actor()}",
                reason=reason,
                evidence=tuple(Evidence.of(version) for version in versions.values()),
                policy=self.rules.model_dump(mode="json", include={"external", "approval"}),
            ),
            snapshot,
        )


def taken_back_words(entry: LedgerEntry | None) -> str:
    """Return why a version that a person rolled back from, by ``entry``, is not made champion here."""
    if entry is None:
        return ""
    reason = f"{entry.who} rolled back from it (entry {entry.seq}: {entry.reason})"[:REASON]
    return f"{reason}; to insist: ganlib promote {entry.from_version} --again"


def _approval_outcome(number: int, entry: LedgerEntry) -> ApprovalOutcome:
    """What ``entry`` says of version ``number``, which was approved."""
    if entry.kind == "promoted":
        finding = Finding(level="info", text=f"version {number} was approved and is champion", entry=entry)
        return ApprovalOutcome(finding, f"promoted (entry {entry.seq})")
    if entry.kind == "accepted":
        finding = Finding(level="warning", text=f"version {number} is champion: {entry.reason}", entry=entry)
        return ApprovalOutcome(finding, f"accepted (entry {entry.seq})")
    text = f"version {number} was approved, but the gate does not pass it: {entry.reason}"
    return ApprovalOutcome(Finding(level="error", text=text, entry=entry), f"refused (entry {entry.seq})")
