"""Is an entry borne out by what it speaks of? What is not is recorded as void, and never carried out.

Whoever may write to MLflow may write an entry, with a digest that fits. What such an entry says is therefore asked of
the gate, of the trail of champions and of the aliases, before anything is done on its word.
"""

from __future__ import annotations

from collections.abc import Iterable

from ganlib.config import GateConfig
from ganlib.core.record import Record
from ganlib.registry.entries import ChampionState, DecisionRecord, Evidence, Kind, LedgerEntry
from ganlib.registry.gate import Decision, decide
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import current_actor
from ganlib.registry.registry import CHAMPION, PREVIOUS, Registry, Version
from ganlib.tracking.store import Absent

_MOST_KEYS = 20
"""Stray keys that one entry voids; the next takes the rest."""


class UnsealedEntry(Record):
    """An entry beyond the seal: written by a command that is at work or was killed, or by somebody else."""

    seq: int
    kind: Kind
    objection: str | None
    """Why it is not borne out, and will be voided; None: the next command that decides carries it out."""

    def __str__(self) -> str:
        """What becomes of it, as the end of a sentence about it."""
        fate = f"is not borne out, and is voided next: {self.objection}" if self.objection else "is carried out next"
        return f"({self.kind}) stands beyond the seal and {fate}"


def beyond_seal(registry: Registry, snapshot: LedgerSnapshot) -> list[UnsealedEntry]:
    """Return the entries of ``snapshot`` that may not have been carried out, put to the gate. Reads only.

    Raises:
        Unavailable: MLflow does not answer.
    """
    champion = None if registry.dangling(CHAMPION) else registry.alias(CHAMPION)
    auditor = Auditor(registry, snapshot, champion)
    return [
        UnsealedEntry(seq=entry.seq, kind=entry.kind, objection=auditor.objection(entry)) for entry in snapshot.beyond()
    ]


class Auditor:
    """Of the entries beyond the seal of ``snapshot``, while the champion's alias is at ``champion``."""

    def __init__(
        self, registry: Registry, snapshot: LedgerSnapshot, champion: Version | None, *, accept: bool = False
    ) -> None:
        """``accept``: the policy takes a champion that no gate has passed."""
        self.registry, self.snapshot, self.accept = registry, snapshot, accept
        self.now = champion.version if champion else None

    def voids(self, own: Iterable[LedgerEntry] = ()) -> DecisionRecord | None:
        """Return the entry to write about what does not count, if anything does; ``own`` were just written by us."""
        for entry in self.snapshot.beyond():
            if entry not in own and (why := self.objection(entry)):
                return _void(
                    (self.snapshot.key(entry.seq),), f"entry {entry.seq} ({entry.kind}) is not borne out: {why}"
                )
        if news := self.snapshot.news[:_MOST_KEYS]:
            keys = ", ".join(key[:60] for key in news)
            return _void(news, f"no entries of this ledger, whoever wrote them: {keys}")
        return None

    def objection(self, entry: LedgerEntry) -> str | None:
        """Why ``entry`` is not borne out; None: it is. It is asked against the ledger as it was before it."""
        before = self.snapshot.until(entry.seq - 1)
        champion_state = before.champion_state()
        if entry.kind == "voided":
            return self._void_objection(entry)
        if entry.from_version != champion_state.champion:
            return f"champion was {champion_state.champion or 'none'}, and not {entry.from_version or 'none'}"
        if (entry.found or entry.kind == "external") and entry.to_version != self.now:
            return f"champion is {self.now or 'none'} in MLflow"
        if entry.kind == "external":
            return None
        if entry.kind == "rolled-back":
            return self._rollback_objection(entry, champion_state)
        if entry.to_version is None:
            return "it names no version"
        target = existing(self.registry, entry.to_version, entry.spoken_of())
        if target is None:
            return f"version {entry.to_version} is gone, or is another model"
        if entry.kind == "refused":
            return self._refusal_objection(entry, target, before)
        if entry.kind == "declined":
            waits = any(each.to_version == entry.to_version for each in before.waiting())
            return None if waits else f"version {entry.to_version} did not await approval"
        return self._pass_objection(entry, target, before)

    def _ask(self, entry: LedgerEntry, target: Version, before: LedgerSnapshot) -> Decision | None:
        try:
            policy = GateConfig.model_validate(entry.policy)
        except ValueError:
            return None
        rival = existing(self.registry, entry.from_version, before.champion_state())
        return decide(target, rival, policy, before.comparisons(Evidence.of(target)))

    def _void_objection(self, entry: LedgerEntry) -> str | None:
        seal_seq = self.snapshot.seal.seq if self.snapshot.seal else 0
        for key in entry.voids:
            number = next((n for n in self.snapshot.lines if self.snapshot.key(n) == key), None)
            if number is None:
                continue
            spoken_of = next((each for each in self.snapshot.entries() if each.seq == number), None)
            if number <= seal_seq or number >= entry.seq or (spoken_of and not self.objection(spoken_of)):
                return f"entry {number}, which it calls void, is borne out"
        return None

    def _rollback_objection(self, entry: LedgerEntry, champion_state: ChampionState) -> str | None:
        if entry.to_version is None:
            return (
                None
                if displaced(self.registry, champion_state) is None
                else "there is an earlier champion to go back to"
            )
        if existing(self.registry, entry.to_version, entry.spoken_of()) is None:
            return f"version {entry.to_version} is gone, or is another model"
        before = self.registry.aliases().get(PREVIOUS)  # of a champion from before the ledger began
        if entry.to_version in champion_state.trail or (
            not champion_state.trail and entry.to_version in (before, self.now)
        ):
            return None
        return f"version {entry.to_version} was not champion before"

    def _refusal_objection(self, entry: LedgerEntry, target: Version, before: LedgerSnapshot) -> str | None:
        if Evidence.of(target) not in entry.evidence:
            return "its evidence is not the version's"
        decision = self._ask(entry, target, before)
        return "the gate, asked now, passes it" if decision and decision.promoted else None

    def _pass_objection(self, entry: LedgerEntry, target: Version, before: LedgerSnapshot) -> str | None:
        verdict = before.verdict(target)
        if entry.kind == "accepted":
            merit = entry.to_version == self.now and verdict and verdict.kind != "refused"
            return None if merit or self.accept else "no gate has passed it, and the policy does not say so here"
        if (rollback := before.taken_back(target)) and not entry.again:
            return f"version {target.version} was rolled back from (entry {rollback.seq}: {rollback.reason})"
        if verdict and entry.found and verdict.kind != "refused":
            return None
        approval = verdict and verdict.kind == "awaiting" and verdict.from_version == entry.from_version
        return self._refused(verdict if verdict and approval else entry, target)

    def _refused(self, entry: LedgerEntry, target: Version) -> str | None:
        decision = self._ask(entry, target, self.snapshot.until(entry.seq - 1))
        if decision is None:
            return "it names no policy of the gate"
        failures = "; ".join(f"{check.name}: {check.detail}" for check in decision.checks if not check.passed)
        return f"the gate, asked now, refuses it: {failures}"[:1000] if failures else None


def displaced(registry: Registry, champion_state: ChampionState) -> Version | None:
    """Return the nearest earlier champion that still exists."""
    return next(
        (
            version
            for number in reversed(champion_state.trail)
            if (version := existing(registry, number, champion_state))
        ),
        None,
    )


def existing(registry: Registry, number: int | None, champion_state: ChampionState) -> Version | None:
    """Return version ``number`` if it is the one that the ledger means: a model that was made anew counts from 1."""
    if number is None:
        return None
    try:
        version = registry.get(number)
    except Absent:
        return None
    return version if version.sha256 == champion_state.digests.get(number) else None


def _void(keys: tuple[str, ...], reason: str) -> DecisionRecord:
    return DecisionRecord(
        kind="voided", from_version=None, to_version=None, who=current_actor(), reason=reason[:1500], voids=keys
    )
