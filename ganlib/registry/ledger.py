"""The ledger as a chain: which entries count, what was tampered with, and who was champion when. Pure.

Where they are kept is :mod:`ganlib.registry.mlflow_ledger`; why it is made so is docs/decisions/0003-ledger.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from pydantic import Field, PositiveInt

from ganlib.core.errors import BadInput
from ganlib.core.record import Record
from ganlib.registry.entries import (
    GENESIS,
    NON_MOVING,
    RECONCILE,
    ChampionState,
    DecisionRecord,
    Evidence,
    LedgerEntry,
    LedgerProblem,
    MoveIntent,
    Seal,
    canonical,
    digest,
    fold,
    follows,
    intact,
    key_of,
    place_of,
    read,
    stamp,
)  # fmt: skip
from ganlib.registry.version import Version


class LedgerSnapshot(Record):
    """All that is stored: the entries' texts by number, the seal, and what stands beside them."""

    lines: dict[int, str] = Field({})
    seal: Seal | None = None
    keys: dict[int, str] = Field({}, description="where an entry is kept, unless it is under its number")
    strays: dict[str, str] = Field({}, description="what is kept beside the entries and is none of them")
    intents: tuple[MoveIntent, ...] = ()
    void: frozenset[str] = Field(frozenset(), description="keys that entries void which were left out")

    @classmethod
    def of(cls, params: Mapping[str, str], seal: Seal | None, intents: Iterable[MoveIntent] = ()) -> LedgerSnapshot:
        """Find the chain among ``params``, by key.

        Entry n is the first text under ``n``, ``n.2``, ``n.3``... that follows entry n - 1. Beyond the seal the chain
        ends where there is none; up to it, what does not follow was tampered with and keeps its place.
        """
        places: dict[int, list[str]] = {}
        for number, _, key in sorted(place for key in params if (place := place_of(key))):
            places.setdefault(number, []).append(key)
        whole = [number for number, keys in places.items() if any(follows(params[key], number, None) for key in keys)]
        limit = seal.seq if seal else max(whole, default=0)
        keys: dict[int, str] = {}
        previous, before = GENESIS, 0
        for number in sorted(places):
            if number > limit and number > max(before, limit) + 1:
                break
            if number > before + 1:
                previous = seal.sha256 if seal and number == seal.seq + 1 else ""
            fitting = [key for key in places[number] if follows(params[key], number, previous or None)]
            if not fitting and number > limit:
                break
            key = fitting[0] if fitting else places[number][0]
            entry = read(params[key])
            keys[number], before, previous = key, number, entry.sha256 if entry else digest(params[key])
        return cls(
            lines={number: params[key] for number, key in keys.items()},
            seal=seal,
            keys=keys,
            strays={key: text for key, text in params.items() if key not in keys.values()},
            intents=tuple(intents),
        )

    @property
    def last(self) -> int:
        """The highest number in use, 0 if none is; a removed entry's number stays in use if it was sealed."""
        return max([0, *self.lines, *([self.seal.seq] if self.seal else [])])

    @property
    def voided(self) -> frozenset[str]:
        """The keys whose content counts for nothing, by later entries that are not themselves void."""
        keys = set(self.void)
        for number in sorted(self.lines, reverse=True):
            if self.key(number) not in keys and (entry := read(self.lines[number])) and entry.kind == "voided":
                keys.update(entry.voids)
        return frozenset(keys)

    @property
    def news(self) -> tuple[str, ...]:
        """The keys of strays that no entry has voided yet."""
        return tuple(sorted(set(self.strays) - self.voided))

    def key(self, number: int) -> str:
        """Return where entry ``number`` is kept."""
        return self.keys.get(number, key_of(number))

    @property
    def free_key(self) -> str:
        """Where the next entry goes: under its number, or beside what a stray has put there."""
        number, attempt = self.last + 1, 1
        while key_of(number, attempt) in self.strays:
            attempt += 1
        return key_of(number, attempt)

    def entries(self) -> list[LedgerEntry]:
        """Return the entries that can be read, in order, with those that were voided."""
        return [entry for number in sorted(self.lines) if (entry := read(self.lines[number]))]

    def valid(self) -> list[LedgerEntry]:
        """Return the entries that count, in order."""
        void = self.voided
        return [
            entry
            for number in sorted(self.lines)
            if self.key(number) not in void and (entry := read(self.lines[number]))
        ]

    def beyond(self) -> list[LedgerEntry]:
        """Return the entries beyond the seal that count: perhaps not carried out. Without a seal there are none."""
        return [entry for entry in self.valid() if self.seal and entry.seq > self.seal.seq]

    def unsealed(self) -> LedgerEntry | None:
        """Return the last entry, if it may not have been carried out. Without a seal nothing is carried out again."""
        if self.seal is None or self.seal.seq >= self.last:
            return None
        return read(self.lines[self.last])

    def until(self, seq: int) -> LedgerSnapshot:
        """Return the ledger as it was when entry ``seq`` was the last, knowing what was found void since."""
        lines = {number: text for number, text in self.lines.items() if number <= seq}
        return self.model_copy(update={"lines": lines, "intents": (), "void": self.voided})

    def sealed(self) -> LedgerSnapshot:
        """Return the ledger up to the seal: what was carried out, which is what a consumer may rely on."""
        return self.until(self.seal.seq) if self.seal else self

    def under_way(self, now: datetime) -> frozenset[int | None]:
        """Return the champions that a command at work, or one that died, may leave the alias at."""
        versions: set[int | None] = {
            self.until(intent.seq).champion_state().champion for intent in self.intents if intent.live(now)
        }  # fmt: skip
        if pending := self.beyond():
            versions.add(self.until(pending[0].seq - 1).champion_state().champion)
            versions.update(entry.to_version for entry in pending if entry.kind not in NON_MOVING)
        return frozenset(versions)

    def next_entry(
        self, decision: DecisionRecord, now: datetime, sign: Callable[[str], str] = lambda text: ""
    ) -> LedgerEntry:
        """``decision`` with the next number, chained to what is stored; ``sign`` gives the signature of a text."""
        last = self.lines.get(self.last)
        before = read(last) if last is not None else None
        if before:
            previous = before.sha256
        elif last is not None:
            previous = digest(last)
        else:
            previous = self.seal.sha256 if self.seal else GENESIS
        times = [
            entry.time
            for entry in self.valid()
            if self.key(entry.seq) not in decision.voids and intact(self.lines.get(entry.seq, "{}"))
        ]
        content = {
            **decision.model_dump(mode="json"),
            "seq": self.last + 1,
            "time": max([stamp(now), *times]),  # another machine's clock may be ahead of ours
            "previous_sha256": previous,
        }
        content["signature"] = sign(canonical(content))
        return LedgerEntry.model_validate({**content, "sha256": digest(canonical(content))})

    def with_line(self, number: int, text: str) -> LedgerSnapshot:
        """Return the ledger with ``text`` as entry ``number``."""
        return self.model_copy(update={"lines": {**self.lines, number: text}})

    def problems(self) -> list[LedgerProblem]:
        """Return all entries that were changed, removed, reordered or replaced; empty if the chain is whole."""
        problems: list[LedgerProblem] = []
        previous: str | None = GENESIS
        before, time, void = 0, "", self.voided
        for number in sorted(self.lines):
            if number > before + 1:
                problems.append(_missing(before + 1, number - 1))
                previous = None
            entry = read(self.lines[number])
            if entry is None:
                problems.append(LedgerProblem(seq=number, what="was changed: it is no entry any more"))
            else:
                problems += [
                    LedgerProblem(seq=number, what=what) for what in self._wrong(number, entry, previous, time)
                ]
                time = time if self.key(number) in void else entry.time
            before, previous = number, entry.sha256 if entry else None
        if self.last > before:
            problems.append(_missing(before + 1, self.last))
        if self.seal is None and self.lines:
            problems.append(
                LedgerProblem(seq=self.last, what="has lost its seal, which tells whether later ones were removed")
            )
        return problems

    def _wrong(self, number: int, entry: LedgerEntry, previous: str | None, time: str) -> list[str]:
        wrong = []
        if not intact(self.lines[number]):
            wrong.append("was changed: its content does not match its sha256")
        if entry.seq != number:
            wrong.append(f"holds entry {entry.seq}: the entries were reordered")
        elif previous is not None and entry.previous_sha256 != previous:
            wrong.append(f"does not follow entry {number - 1}: one of the two was replaced")
        if entry.time < time:
            wrong.append(f"is older than entry {number - 1}")
        if self.seal and self.seal.seq == number and self.seal.sha256 != entry.sha256:
            wrong.append("is not the entry that was sealed: it was replaced")
        return wrong

    def comparisons(self, challenger: Evidence) -> int:
        """Return how many other models were compared with the champion since it became that, and did not displace it.

        The same evidence counts once, however often it was put through the gate: it gave one chance.
        """
        candidates: dict[tuple[str | None, float | None], int] = {}
        for entry in self.valid():
            if entry.kind not in NON_MOVING:
                candidates = {}
            elif entry.evidence:
                candidates[entry.evidence[0].sha256, entry.evidence[0].fid] = entry.evidence[0].candidates
        candidates.pop((challenger.sha256, challenger.fid), None)
        return sum(candidates.values())

    def champion_state(self, at: str | None = None) -> ChampionState:
        """Champion and trail after all entries, or after those up to the time ``at`` (as :attr:`LedgerEntry.time`)."""
        entries = [entry for entry in self.valid() if at is None or entry.time <= at]
        return fold(entry for entry in entries if entry.kind not in NON_MOVING)

    def earned(self) -> ChampionState:
        """Champion and trail by what the gate, a rollback or the policy decided, whatever people set by hand since."""
        moves: list[LedgerEntry] = []
        for entry in self.valid():
            if entry.kind in ("promoted", "rolled-back", "accepted"):
                before = moves[-1].to_version if moves else None
                moves.append(entry.model_copy(update={"from_version": before}))
        return fold(moves)

    def verdict(self, version: Version) -> LedgerEntry | None:
        """Return the gate's last word on ``version``: promoted, refused or awaiting; None if there is none to rely on.

        An entry counts if it is as it was written and speaks of the same bytes.
        """
        of = [
            entry
            for entry in self.valid()
            if entry.kind in ("promoted", "refused", "awaiting")
            and entry.to_version == version.version
            and intact(self.lines[entry.seq])
            and any(
                evidence.version == version.version and evidence.sha256 == version.sha256 for evidence in entry.evidence
            )
        ]
        return of[-1] if of and version.sha256 else None

    def waiting(self) -> tuple[LedgerEntry, ...]:
        """Return the last words on versions that wait for a person: passed against who is champion, and unanswered."""
        words = {entry.to_version: entry for entry in self.valid() if entry.kind not in ("external", "voided")}
        champion = self.champion_state().champion
        return tuple(entry for entry in words.values() if entry.kind == "awaiting" and entry.from_version == champion)

    def last_move(self) -> LedgerEntry | None:
        """Return the entry that made the champion what it is."""
        moves = [entry for entry in self.valid() if entry.kind not in NON_MOVING]
        return moves[-1] if moves else None

    def taken_back(self, version: Version) -> LedgerEntry | None:
        """Return the entry by which a person rolled back from ``version``, or its bytes, if it still holds."""
        rollback = None
        for entry in self.valid():
            same = {
                evidence.version
                for evidence in entry.evidence
                if evidence.sha256 == version.sha256 and (evidence.sha256 or evidence.version == version.version)
            }
            if entry.kind == "rolled-back" and entry.from_version in same and not entry.who.startswith(RECONCILE):
                rollback = entry
            elif entry.to_version in same and (entry.kind not in (*NON_MOVING, "external") or _was_insisted_on(entry)):
                rollback = None
        return rollback


def _was_insisted_on(entry: LedgerEntry) -> bool:
    return entry.kind == "awaiting" and entry.again


class ChampionAt(Record):
    """Who was champion at a time, and the entry that made it so (None: nothing was recorded before that time)."""

    at: str
    champion: PositiveInt | None
    since: LedgerEntry | None


def champion_at(snapshot: LedgerSnapshot, moment: datetime) -> ChampionAt:
    """Return who was champion at ``moment``, which carries an offset."""
    at = stamp(moment)
    moves = [entry for entry in snapshot.valid() if entry.kind not in NON_MOVING and entry.time <= at]
    return ChampionAt(at=at, champion=snapshot.champion_state(at).champion, since=moves[-1] if moves else None)


def _missing(first: int, last: int) -> LedgerProblem:
    return LedgerProblem(seq=first, what="is missing: it was removed" if first == last else f"to {last} were removed")


def moment(text: str) -> datetime:
    """Return a time in ISO 8601; UTC unless it names an offset.

    Raises:
        BadInput: it is none.
    """
    try:
        time = datetime.fromisoformat(text.strip())
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"{text!r} is no time: write it as 2026-01-31T09:30, UTC unless you add +01:00.") from None
