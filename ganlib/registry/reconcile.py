"""What people did in MLflow's page, brought together with the ledger: promotions, approvals, a champion that is gone.

MLflow tells nobody who set an alias or a tag. What is known is what was found and when; that is what is recorded.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from ganlib.config import RegistryConfig
from ganlib.core.errors import GanlibError, Unavailable
from ganlib.core.record import Record
from ganlib.registry.apply import apply_pending
from ganlib.registry.approval import REASON, Answer, Approvals, Gate, taken_back_words
from ganlib.registry.audit import existing
from ganlib.registry.entries import LedgerEntry
from ganlib.registry.finding import Finding
from ganlib.registry.graph_file import FileRisk, file_risk
from ganlib.registry.ledger import LedgerSnapshot, moment
from ganlib.registry.mlflow_ledger import Ledger, under_lock_of
from ganlib.registry.promote import record as write_evidence
from ganlib.registry.registry import CHAMPION, Registry, Version, alias_lock

APPROVE, APPROVAL = "approve", "approval"
"""Tags of a version: the first is a person's, who may put a name in it; the second is our answer."""

_NO = {"false", "no", "0"}
_NAMELESS = {"", "true", "yes", "1"}
_AT_WORK = timedelta(minutes=5)
"""So long after its entry another machine's command is taken to be moving aliases still. It needs seconds."""


class Reconciliation(Record):
    """All that was found, in order; empty if ledger and aliases agree and nobody has asked for anything."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no consumer has to be told."""
        return all(finding.level != "error" for finding in self.findings)

    def summary(self) -> str:
        """Return a line for each finding."""
        return "\n".join(f"{finding.level}: {finding}" for finding in self.findings) or "ledger and aliases agree"


def reconcile(registry: Registry, *, gate: Gate, rules: RegistryConfig, state: Path) -> Reconciliation:
    """Record what people did, and do what the policy says about it.

    A champion that a person set is kept if it has passed the gate, now or before, and else follows
    ``rules.external``. A version with the tag ``approve`` is promoted on the same terms. A champion that was removed or
    deleted is replaced by the one before it; one whose file is gone, or in MLflow's trash, is told. Every move is
    recorded before it is made, and a run that was killed is completed by the next one; run again, it finds nothing.

    Args:
        registry: the registered model.
        gate: asked about versions on which the ledger has no word yet.
        rules: the policy.
        state: folder of the lock.

    Raises:
        BadInput: a person moved the champion just now; the next call records it.
        GanlibError: the ledger was tampered with. People can still promote and roll back; on its word nothing is done.
        Unavailable: MLflow does not answer, or another promotion does not end.
    """
    with alias_lock(state):
        return Reconciliation(findings=tuple(_Reconciler(registry, gate, rules).run()))


class Pending(NamedTuple):
    """What :func:`reconcile` would look at."""

    entry: int
    """The ledger's last."""
    champion: int | None
    ledger_champion: int | None
    """The champion that the ledger knows of."""
    approvals: tuple[int, ...]
    """Versions whose approval waits for an answer."""
    risk: FileRisk | None = None
    """What is wrong with the champion's file."""

    @property
    def done_by_people(self) -> bool:
        """Whether there is something that no call has recorded."""
        return self.champion != self.ledger_champion or bool(self.approvals)


def pending(registry: Registry) -> Pending | None:
    """Return what :func:`reconcile` would look at; None if it has nothing to do. Reads only.

    Whoever polls need not ask again for what was answered: a champion that is gone with nothing to fall back to
    stays pending, and so does a champion's file that is gone or in MLflow's trash, and a damaged ledger.

    Raises:
        Unavailable: MLflow does not answer.
    """
    snapshot = Ledger(registry.store, registry.name).read()
    champion = None if registry.dangling(CHAMPION) else registry.alias(CHAMPION)
    now, last = champion.version if champion else None, snapshot.last_move()
    requests = tuple(number for number, text in registry.tagged(APPROVE).items() if _reason_in(text) is not None)
    risk = champion_risk(registry)
    state = Pending(snapshot.last, now, snapshot.champion_state().champion, requests, risk)
    external = last is not None and last.kind == "external"
    return state if state.done_by_people or risk or external or snapshot.unsealed() or snapshot.news else None


def champion_risk(registry: Registry) -> FileRisk | None:
    """Return what is wrong with the champion's file; None, too, while its artifact store does not say."""
    number = registry.aliases().get(CHAMPION)
    if number is None or registry.dangling(CHAMPION):
        return None
    try:
        return file_risk(registry, number)
    except Unavailable:
        return None


class _Reconciler(Approvals):
    """One pass, with the lock held."""

    def run(self) -> list[Finding]:
        before = self.ledger.read()
        if problems := before.problems():
            raise GanlibError(
                f"the ledger of {self.registry.name} is damaged: entry {problems[0].seq} {problems[0].what}. "
                "Nothing was changed; see `ganlib registry verify`. `ganlib promote` and `ganlib rollback` still work."
            )
        if self.registry.dangling(CHAMPION):
            self.registry.drop_alias(CHAMPION)  # MLflow does so itself; what is gone is recorded below
        accept = self.rules.external == "accept"
        late_entry = apply_pending(self.registry, self.ledger, self._passes, accept=accept)
        findings = [self._finished(late_entry)] if late_entry else []
        findings += [self._decision_finding(entry) for entry in self.ledger.read().entries() if entry.seq > before.last]
        findings += self._champion()
        for number, text in self.registry.tagged(APPROVE).items():
            if (reason := _reason_in(text)) is not None:
                findings.append(self._approved(number, reason))
        risk = champion_risk(self.registry)
        return [*findings, Finding(level="error", text=str(risk))] if risk else findings

    def _finished(self, entry: LedgerEntry) -> Finding:
        """An entry that another command had recorded, and that was carried out now."""
        now = f"champion is {entry.to_version or 'none'} instead of {entry.from_version or 'none'}"
        ours = under_lock_of(self.registry.store.project.state, entry)  # which this call holds
        if not ours and datetime.now(UTC) - moment(entry.time) < _AT_WORK:
            text = f"carried out what another machine has just recorded and tells of (entry {entry.seq}): {now}"
            return Finding(level="info", text=text, entry=entry)
        text = f"completed what a killed command had begun (entry {entry.seq}): {now}: {entry.reason}"
        return Finding(level="error" if entry.kind == "rolled-back" else "info", text=text, entry=entry)

    def _decision_finding(self, entry: LedgerEntry) -> Finding:
        """An entry that was just written about what was found."""
        if entry.kind == "voided":
            return Finding(level="warning", text=f"void by entry {entry.seq}: {entry.reason}", entry=entry)
        now = f"champion is {entry.to_version or 'none'} instead of {entry.from_version or 'none'}"
        return Finding(level="info", text=f"{now}: {entry.reason}", entry=entry)

    def _passes(self, challenger: Version, champion: Version | None) -> str | None:
        """:data:`ganlib.registry.apply.PromotionCheck`: ask the gate, if it has not spoken."""
        if self.ledger.read().verdict(challenger):
            return None  # it was refused; a pass would not have been asked about
        decision = self.decide(challenger, champion)
        write_evidence(self.registry, challenger, decision)
        return f"the gate, asked now, passes it: {decision.checks[-1].detail}" if decision.promoted else None

    def _champion(self) -> list[Finding]:
        """Policy for a champion that a person set or removed, if the last move is that and nobody has answered it."""
        snapshot = self.ledger.read()
        last = snapshot.last_move()
        if last is None or last.kind != "external":
            return []
        if last.to_version is None:
            return [self._alias_missing(snapshot, last)]
        champion = self.registry.get(last.to_version)
        verdict, rollback = snapshot.verdict(champion), snapshot.taken_back(champion)
        if verdict and verdict.kind != "refused" and not rollback:
            return [self._accept(snapshot, champion, f"it had passed the gate (entry {verdict.seq})", "info")]
        if rollback:
            why: str | None = taken_back_words(rollback)
        else:
            why = f"the gate refused it (entry {verdict.seq})" if verdict else self._refusal(champion, last, snapshot)
        if why is None:
            return [self._accept(snapshot, champion, "the gate passes it", "info")]
        if self.rules.external == "accept":
            return [self._accept(snapshot, champion, f"policy registry.external: accept, though {why}", "warning")]
        return [self._revert(snapshot, champion, why)]

    def _refusal(self, champion: Version, last: LedgerEntry, snapshot: LedgerSnapshot) -> str | None:
        """Why the gate does not pass a champion that was found; None: it does."""
        decision = self.decide(champion, existing(self.registry, last.from_version, snapshot.champion_state()))
        failures = [f"{check.name}: {check.detail}" for check in decision.checks if not check.passed]
        return None if decision.promoted else f"the gate does not pass it: {'; '.join(failures)}"[:REASON]

    def _accept(
        self, snapshot: LedgerSnapshot, champion: Version, why: str, level: Literal["info", "warning"]
    ) -> Finding:
        entry = self.record_and_apply(snapshot, "accepted", champion, champion, f"set outside of ganlib; kept: {why}")
        return Finding(level=level, text=f"version {champion.version} stays champion: {why}", entry=entry)

    def _revert(self, snapshot: LedgerSnapshot, champion: Version, why: str) -> Finding:
        target = self._earlier(snapshot, champion.version)
        reason = f"policy registry.external: revert; version {champion.version} was set outside of ganlib, and {why}"
        entry = self.record_and_apply(snapshot, "rolled-back", champion, target, reason)
        now = f"version {target.version} is champion again" if target else "there is no champion, as before"
        return Finding(level="error", text=f"{now}: {reason}", entry=entry)

    def _alias_missing(self, snapshot: LedgerSnapshot, last: LedgerEntry) -> Finding:
        target = self._earlier(snapshot, last.from_version)
        if target is None:
            text = (
                f"the champion, version {last.from_version}, is gone, and there is no earlier one to fall back to. "
                "`generate` has no default model now; promote one: ganlib promote VERSION, or ganlib rollback."
            )
            return Finding(level="error", text=text, entry=last)
        reason = f"fell back to the champion before: {last.reason}"
        entry = self.record_and_apply(snapshot, "rolled-back", None, target, reason)
        return Finding(level="error", text=f"version {target.version} is champion again: {last.reason}", entry=entry)

    def _earlier(self, snapshot: LedgerSnapshot, but: int | None) -> Version | None:
        """The nearest earlier champion that still exists and is not version ``but``."""
        trail = (number for number in reversed(snapshot.champion_state().trail) if number != but)
        return next(
            (version for n in trail if (version := existing(self.registry, n, snapshot.champion_state()))), None
        )

    def _approved(self, number: int, by: str) -> Finding:
        """Version ``number`` has the tag ``approve``. The tag goes last: whoever is killed before comes back here."""
        outcome = self.approve(number, Answer(name=by, door=f"tag {APPROVE}"))
        self.registry.tag(number, {APPROVAL: outcome.words})
        self.registry.untag(number, APPROVE)
        return outcome.finding


def _reason_in(text: str) -> str | None:
    """Who approves, by the tag's text; empty if it names nobody; None if it says no."""
    reason = text.strip()
    if reason.lower() in _NO:
        return None
    return "" if reason.lower() in _NAMELESS else reason[:100]
