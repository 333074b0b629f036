"""The ledger's records: entries chained by sha256, what was tampered with, and who was champion when. Pure.

Where they are kept is :mod:`ganlib.registry.ledger_store`; why it is made so is docs/decisions/0003-ledger.md.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, PositiveInt

from ganlib.config import Frozen
from ganlib.errors import BadInput
from ganlib.registry.versions import Version

Kind = Literal["promoted", "refused", "rolled-back", "external", "awaiting", "accepted"]
"""``external``: a person moved the champion, and nothing is known in its favour; ``awaiting``: the gate passed it, a
person has yet to approve; ``accepted``: what no gate has passed is champion all the same, as the policy says."""
STILL: frozenset[Kind] = frozenset({"refused", "awaiting"})
"""Decisions that move no champion."""
ORIGIN = "0" * 64
"""What stands for the entry before the first."""


class Evidence(Frozen):
    """What was known of a version when it was decided upon; None where a person registered it without evidence."""

    version: PositiveInt
    sha256: str | None
    fid: float | None
    fid_low: float | None
    fid_high: float | None
    n: int | None
    judge_sha256: str | None
    data_version: str | None
    candidates: PositiveInt = 1
    """How many models it was the best of, by the figures that the gate compares."""

    @classmethod
    def of(cls, version: Version) -> Evidence:
        """The summary of a version's own evidence."""
        found = version.evaluation
        fid = found.fid if found else None
        return cls(
            version=version.version,
            sha256=version.sha256,
            fid=_finite(fid.value if fid else None),
            fid_low=_finite(fid.low if fid else None),
            fid_high=_finite(fid.high if fid else None),
            n=found.n if found else None,
            judge_sha256=found.judge_sha256 if found else None,
            data_version=version.data_version,
            candidates=version.candidates,
        )


class Decided(Frozen):
    """What an entry says, before it has its place in the chain."""

    kind: Kind
    from_version: PositiveInt | None
    """The champion before; None: there was none."""
    to_version: PositiveInt | None
    """The champion after; of a refusal or a wait, the version that was decided upon; None: there is none any more."""
    who: str
    reason: str
    evidence: tuple[Evidence, ...] = ()
    policy: dict[str, Any] = Field({}, description="the gate's limits; empty where no gate decided")
    found: bool = Field(
        False, description="the champion had been moved already, outside of ganlib, when this was written"
    )


class Entry(Decided):
    """One decision, with its place in the chain."""

    seq: PositiveInt
    time: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
    """UTC, ISO 8601 with milliseconds: such texts sort as their times do. It never goes back along the chain."""
    previous_sha256: str
    sha256: str
    """Of the canonical JSON of all the above (see :func:`canonical`)."""


class Seal(Frozen):
    """The last entry whose decision was carried out in full; kept apart from the entries."""

    seq: int = Field(ge=0)
    sha256: str


class Problem(Frozen):
    """An entry that is not as it was written."""

    seq: int
    what: str


class Standing(Frozen):
    """Who is champion, and the champions before it that a rollback goes back to, the nearest last."""

    champion: PositiveInt | None = None
    trail: tuple[PositiveInt, ...] = ()
    digests: dict[int, str | None] = Field({}, description="sha256 of the versions' graphs, as last recorded")


class Book(Frozen):
    """All that is stored: the entries' texts by number, and the seal."""

    lines: dict[int, str] = Field({})
    seal: Seal | None = None

    @property
    def last(self) -> int:
        """The highest number in use, 0 if none is; a removed entry's number stays in use if it was sealed."""
        return max([0, *self.lines, *([self.seal.seq] if self.seal else [])])

    def entries(self) -> list[Entry]:
        """The entries that can be read, in order."""
        return [entry for number in sorted(self.lines) if (entry := _read(self.lines[number]))]

    def carried_out(self) -> Book:
        """What consumers go by: the entries up to the seal; all of them where there is no seal."""
        seal = self.seal
        if seal is None:
            return self
        return Book(lines={number: text for number, text in self.lines.items() if number <= seal.seq}, seal=seal)

    def unsealed(self) -> Entry | None:
        """The last entry, if it may not have been carried out. Without a seal nothing is carried out again."""
        if self.seal is None or self.seal.seq >= self.last:
            return None
        return _read(self.lines[self.last])

    def next_entry(self, decided: Decided, now: datetime) -> Entry:
        """``decided`` with the next number, chained to what is stored."""
        last = self.lines.get(self.last)
        before = _read(last) if last is not None else None
        if before:
            previous = before.sha256
        elif last is not None:
            previous = _sha256(last)
        else:
            previous = self.seal.sha256 if self.seal else ORIGIN
        known = [entry.time for entry in self.entries() if _intact(self.lines.get(entry.seq, "{}"))]
        content = {
            **decided.model_dump(mode="json"),
            "seq": self.last + 1,
            "time": max([stamp(now), *known]),  # another machine's clock may be ahead of ours
            "previous_sha256": previous,
        }
        return Entry.model_validate({**content, "sha256": _sha256(canonical(content))})

    def problems(self) -> list[Problem]:
        """All entries that were changed, removed, reordered or replaced; empty if the chain is whole."""
        found: list[Problem] = []
        previous: str | None = ORIGIN
        before, time = 0, ""
        for number in sorted(self.lines):
            if number > before + 1:
                found.append(_missing(before + 1, number - 1))
                previous = None
            entry = _read(self.lines[number])
            if entry is None:
                found.append(Problem(seq=number, what="was changed: it is no entry any more"))
            else:
                found += [Problem(seq=number, what=what) for what in self._wrong(number, entry, previous, time)]
                time = entry.time
            before, previous = number, entry.sha256 if entry else None
        if self.last > before:
            found.append(_missing(before + 1, self.last))
        if self.seal is None and self.lines:
            found.append(Problem(seq=self.last, what="has lost its seal, which tells whether later ones were removed"))
        return found

    def _wrong(self, number: int, entry: Entry, previous: str | None, time: str) -> list[str]:
        wrong = []
        if not _intact(self.lines[number]):
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

    def tried(self, challenger: Evidence) -> int:
        """How many other models were compared with the champion since it became champion, and did not displace it.

        The same evidence counts once, however often it was put through the gate: it gave one chance.
        """
        seen: dict[tuple[str | None, float | None], int] = {}
        for entry in self.entries():
            if entry.kind not in STILL:
                seen = {}
            elif entry.evidence:
                seen[entry.evidence[0].sha256, entry.evidence[0].fid] = entry.evidence[0].candidates
        seen.pop((challenger.sha256, challenger.fid), None)
        return sum(seen.values())

    def standing(self, at: str | None = None) -> Standing:
        """Champion and trail after all entries, or after those up to the time ``at`` (as :attr:`Entry.time`)."""
        entries = [entry for entry in self.entries() if at is None or entry.time <= at]
        return _fold(entry for entry in entries if entry.kind not in STILL)

    def earned(self) -> Standing:
        """Champion and trail by what the gate, a rollback or the policy decided, whatever people set by hand since."""
        moves: list[Entry] = []
        for entry in self.entries():
            if entry.kind in ("promoted", "rolled-back", "accepted"):
                before = moves[-1].to_version if moves else None
                moves.append(entry.model_copy(update={"from_version": before}))
        return _fold(moves)

    def verdict(self, version: Version) -> Entry | None:
        """The gate's last word on ``version``: promoted, refused or awaiting; None if there is none to rely on.

        An entry counts if it is as it was written and speaks of the same bytes.
        """
        of = [
            entry
            for entry in self.entries()
            if entry.kind in ("promoted", "refused", "awaiting")
            and entry.to_version == version.version
            and _intact(self.lines[entry.seq])
            and any(known.version == version.version and known.sha256 == version.sha256 for known in entry.evidence)
        ]
        return of[-1] if of and version.sha256 else None

    def last_move(self) -> Entry | None:
        """The entry that made the champion what it is."""
        moves = [entry for entry in self.entries() if entry.kind not in STILL]
        return moves[-1] if moves else None


class Reign(Frozen):
    """Who was champion at a time, and the entry that made it so (None: nothing was recorded before that time)."""

    at: str
    champion: PositiveInt | None
    since: Entry | None


def champion_at(book: Book, moment: datetime) -> Reign:
    """Who was champion at ``moment``, which carries an offset."""
    at = stamp(moment)
    moves = [entry for entry in book.entries() if entry.kind not in STILL and entry.time <= at]
    return Reign(at=at, champion=book.standing(at).champion, since=moves[-1] if moves else None)


def stamp(moment: datetime) -> str:
    """``moment``, which carries an offset, as records have it: UTC to the millisecond, so that text sorts as time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """A time in ISO 8601; UTC unless it names an offset.

    Raises:
        BadInput: it is none.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"{text!r} is no time: write it as 2026-01-31T09:30, UTC unless you add +01:00.") from None


def canonical(content: Mapping[str, Any]) -> str:
    """The one JSON text of ``content``: sorted keys, no spaces, ASCII only, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _missing(first: int, last: int) -> Problem:
    return Problem(seq=first, what="is missing: it was removed" if first == last else f"to {last} were removed")


def _fold(moves: Iterable[Entry]) -> Standing:
    champion: int | None = None
    trail: tuple[int, ...] = ()
    digests: dict[int, str | None] = {}
    for entry in moves:
        if entry.kind == "rolled-back":
            # What was rolled back from is not offered again: a second rollback goes further back.
            behind = [place for place, version in enumerate(trail) if version == entry.to_version]
            trail = trail[: behind[-1]] if behind else trail
        elif entry.from_version and entry.from_version != entry.to_version:
            trail = (*trail, entry.from_version)
        champion = entry.to_version
        digests |= {evidence.version: evidence.sha256 for evidence in entry.evidence}
    return Standing(champion=champion, trail=trail, digests=digests)


def _read(text: str) -> Entry | None:
    try:
        return Entry.model_validate_json(text)
    except ValueError:
        return None


def _intact(text: str) -> bool:
    """Whether an entry's text carries its own sha256; of the text, so that later fields change no old digest."""
    content: dict[str, Any] = json.loads(text)
    content.pop("sha256", None)
    try:
        return text == canonical({**content, "sha256": _sha256(canonical(content))})
    except ValueError:  # NaN, which is never written
        return False


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
