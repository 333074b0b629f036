"""Bring aliases and ledger together: carry out what is recorded and borne out, record what people moved.

Every function here is called with the lock on aliases held. That lock is of one machine: on others, commands may do the
same at the same time, and a write of any of them may come late. See docs/decisions/0003-ledger.md.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from ganlib.core.errors import BadInput, Unavailable
from ganlib.registry.audit import Auditor, displaced, existing
from ganlib.registry.entries import NON_MOVING, DecisionRecord, Evidence, Kind, LedgerEntry, MoveIntent
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import Ledger, current_actor
from ganlib.registry.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry, Version

_MOVED_BY_US: frozenset[Kind] = frozenset({"promoted", "rolled-back", "accepted"})
_IDLE: frozenset[Kind] = frozenset({"refused", "declined", "voided"})
_ROUNDS = 20
"""So often it is looked again, while others decide at the same time."""


def append_and_apply(
    registry: Registry, ledger: Ledger, decision: DecisionRecord, snapshot: LedgerSnapshot
) -> LedgerEntry:
    """Record ``decision``, then move the aliases as it says: whoever dies in between has left word of what to do.

    Args:
        registry: the registered model.
        ledger: its ledger.
        decision: what to record.
        snapshot: the ledger that it was decided from. It must end there still.

    Raises:
        BadInput: a person moved the champion meanwhile. Both moves are recorded; theirs stands.
        Unavailable: somebody else has decided since ``snapshot``: nothing was moved. Or MLflow went away: what was
            recorded is carried out by the next command that decides.
    """
    entry = ledger.append(decision, snapshot)
    try:
        apply_pending(registry, ledger, own=entry)
        snapshot = ledger.read()
    except Unavailable as error:
        raise Unavailable(
            f"MLflow at {registry.store.display_uri} went away. Entry {entry.seq} of the ledger ({entry.kind}) was "
            "recorded, and may not be carried out yet: `ganlib promote`, `rollback` or `reconcile` do that first."
        ) from error
    if snapshot.key(entry.seq) in snapshot.voided:
        raise Unavailable(
            f"entry {entry.seq} ({entry.kind}) was not borne out for another command, which recorded that. Nothing was "
            "moved; see `ganlib registry history`, and run the same command again."
        )
    later = next((move for move in snapshot.valid() if move.seq > entry.seq and move.kind not in NON_MOVING), None)
    if entry.kind not in NON_MOVING and later and later.found:
        raise BadInput(
            f"champion was set to {later.to_version or 'none'} in MLflow while version {entry.to_version} was to take "
            "its place. That alias was kept, and all of it is in `ganlib registry history`."
        )
    return entry


PromotionCheck = Callable[[Version, Version | None], str | None]
"""Why a version that a person made champion has earned it against the one before it; None: it has not."""


def apply_pending(
    registry: Registry,
    ledger: Ledger,
    check: PromotionCheck | None = None,
    *,
    accept: bool = False,
    own: LedgerEntry | None = None,
) -> LedgerEntry | None:
    """Carry out what was not sealed, then record a champion that was set or removed outside of ganlib.

    What is not borne out is voided. It is looked again after every move until ledger and alias agree, so that a write
    that comes late, of this command or of another one, does not stay.

    Args:
        registry: the registered model.
        ledger: its ledger.
        check: of a version that a person made champion; default: whether the ledger says that the gate passed it.
        accept: the policy takes a champion that no gate has passed.
        own: the entry that this command has just written.

    Returns:
        The last move that was carried out now, if there was one, but for ``own``.

    Raises:
        GanlibError: the champion's alias points to a version that is gone. Nothing was changed.
        Unavailable: MLflow does not answer, or others decide all the time.
    """
    return _PendingApplication(registry, ledger, check, accept, own).run()


class _PendingApplication:
    """One call of :func:`apply_pending`."""

    def __init__(
        self, registry: Registry, ledger: Ledger, check: PromotionCheck | None, accept: bool, own: LedgerEntry | None
    ) -> None:
        self.registry, self.ledger, self.check, self.accept = registry, ledger, check, accept
        self.own = [own] if own else []
        self.intents: list[MoveIntent] = []
        self.taken_back_pairs: set[tuple[int, frozenset[str]]] = set()
        self.carried_out: LedgerEntry | None = None

    def run(self) -> LedgerEntry | None:
        for _ in range(_ROUNDS):
            snapshot, champion = self.ledger.read(), self.registry.alias(CHAMPION)
            now, ledger_champion = _number(champion), snapshot.champion_state().champion
            if void := Auditor(self.registry, snapshot, champion, accept=self.accept).voids(self.own):
                self._append(void, snapshot)
            elif self._is_external(snapshot, now):
                self._external(snapshot, champion)
            elif (
                now != ledger_champion
                or self._may_be_late(snapshot)
                or any(entry.kind not in _IDLE for entry in snapshot.beyond())
            ):
                self._apply(snapshot)
            elif tail := snapshot.unsealed():
                self.ledger.seal(tail)
            else:
                self._finish(snapshot)
                return self.carried_out
        raise Unavailable("others keep deciding at the same time. Run the same command again.")

    def _is_external(self, snapshot: LedgerSnapshot, now: int | None) -> bool:
        """Whether the champion's alias is where neither the ledger nor a command under way puts it."""
        champion_state = snapshot.champion_state()
        if now == champion_state.champion:
            return False
        if now is None and existing(self.registry, champion_state.champion, champion_state) is None:
            return True  # deleted, so that nobody can put it back
        return now not in snapshot.under_way(datetime.now(UTC))

    def _may_be_late(self, snapshot: LedgerSnapshot) -> bool:
        """Whether a write for an older entry may have come after those for the last one: of ours, or of others."""
        if self.intents and self.intents[-1].seq != snapshot.last:
            return True
        others = _others(snapshot, self.intents)
        return bool(others) and (snapshot.last, others) not in self.taken_back_pairs

    def _apply(self, snapshot: LedgerSnapshot) -> None:
        """Set all aliases as ``snapshot`` says, if it is the newest still; as often as need be, with one result."""
        intent = self.ledger.announce(snapshot.last)
        self.intents.append(intent)
        if self.ledger.read().last != snapshot.last:
            return
        champion_state, last, aliases = snapshot.champion_state(), snapshot.last_move(), self.registry.aliases()
        target, before = (
            existing(self.registry, champion_state.champion, champion_state),
            displaced(self.registry, champion_state),
        )
        if before and aliases.get(PREVIOUS) != before.version:
            self.registry.set_alias(PREVIOUS, before.version)
        if target and aliases.get(CHAMPION) != target.version:
            self.registry.set_alias(CHAMPION, target.version)
        elif last and champion_state.champion is None:
            self.registry.drop_alias(CHAMPION)
        if not before and last and last.kind == "rolled-back":
            self.registry.drop_alias(PREVIOUS)  # it names the version that is now champion
        if target:
            self.registry.retire_challenger(target.version)
        self._seal(snapshot)
        self.taken_back_pairs.add((snapshot.last, _others(snapshot, self.intents)))

    def _seal(self, snapshot: LedgerSnapshot) -> None:
        for entry in snapshot.beyond():
            if entry.kind == "awaiting":
                self.registry.set_alias(CHALLENGER, entry.to_version or 0)
            if entry.kind in _MOVED_BY_US and entry not in self.own:
                self.carried_out = entry
        if tail := snapshot.unsealed():
            self.ledger.seal(tail)

    def _external(self, snapshot: LedgerSnapshot, champion: Version | None) -> None:
        """The champion is what no command under way makes it: record it, once that was looked at again."""
        again, champion_state = self.ledger.read(), snapshot.champion_state()
        if again.last != snapshot.last or self._is_external(again, _number(champion)) is False:
            return
        if _number(self.registry.alias(CHAMPION)) != _number(champion):
            return
        before = existing(self.registry, champion_state.champion, champion_state)
        left_alone = any(entry.kind not in NON_MOVING for entry in snapshot.beyond())
        merit = self._earned(snapshot, champion, before) if champion and not left_alone else None
        kind: Kind = "promoted" if merit else "external"
        if merit:
            reason = f"the alias was set outside of ganlib; {merit}"
        elif not snapshot.last:
            reason = "this version was champion when the ledger began"
        elif champion:
            reason = "the alias was set outside of ganlib"
        elif before:
            reason = "the alias was removed outside of ganlib"
        else:
            reason = f"version {champion_state.champion} was deleted outside of ganlib"
        self._append(_external_record(kind, reason, champion, before, champion_state.champion), snapshot)

    def _earned(self, snapshot: LedgerSnapshot, champion: Version, before: Version | None) -> str | None:
        if snapshot.taken_back(champion):
            return None
        verdict = snapshot.verdict(champion)
        if verdict:
            return f"it had passed the gate (entry {verdict.seq})" if verdict.kind != "refused" else None
        return self.check(champion, before) if self.check else None

    def _append(self, decision: DecisionRecord, snapshot: LedgerSnapshot) -> None:
        """Write an entry about what was found; where somebody else was first, it is looked again."""
        with suppress(Unavailable):  # an MLflow that is away is found out at the next look
            self.own.append(self.ledger.append(decision, snapshot))

    def _finish(self, snapshot: LedgerSnapshot) -> None:
        """Take off our intents, and those of commands that have died."""
        old = [intent for intent in snapshot.intents if not intent.live(datetime.now(UTC))]
        for intent in (*self.intents, *old):
            self.ledger.withdraw(intent)


def _others(snapshot: LedgerSnapshot, ours: list[MoveIntent]) -> frozenset[str]:
    """The intents of other commands that move aliases for an older entry than the last."""
    now, own_ids = datetime.now(UTC), {intent.id for intent in ours}
    return frozenset(
        intent.id
        for intent in snapshot.intents
        if intent.live(now) and intent.id not in own_ids and intent.seq != snapshot.last
    )


def _number(version: Version | None) -> int | None:
    return version.version if version else None


def _external_record(
    kind: Kind, reason: str, champion: Version | None, before: Version | None, ledger_champion: int | None
) -> DecisionRecord:
    return DecisionRecord(
        kind=kind,
        found=True,
        from_version=ledger_champion,
        to_version=_number(champion),
        who=f"{'a person' if kind == 'promoted' else 'unknown'}, found by {current_actor()}",
        reason=reason,
        evidence=tuple(Evidence.of(version) for version in (champion, before) if version),
    )
