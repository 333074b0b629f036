"""What the ledger holds: decisions, each with its place in a chain of sha256. Pure.

How the chain is found and read is :mod:`ganlib.registry.ledger`; :mod:`ganlib.registry.mlflow_ledger` keeps it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal

from pydantic import Field, PositiveInt

from ganlib.core.record import Record
from ganlib.registry.version import Version

Kind = Literal["promoted", "refused", "rolled-back", "external", "awaiting", "declined", "accepted", "voided"]
"""``external``: a person moved the champion, and nothing is known in its favour; ``awaiting``: the gate passed it, a
person has yet to approve; ``declined``: a person did not; ``accepted``: what no gate has passed is champion all the
same, as the policy says; ``voided``: what stands under the keys it names counts for nothing."""
NON_MOVING: frozenset[Kind] = frozenset({"refused", "awaiting", "declined", "voided"})
"""Decisions that move no champion."""
GENESIS = "0" * 64
"""What stands for the entry before the first."""
RECONCILE = "ganlib reconcile"
"""Begins the name of who decided where it was the policy, and no person."""
_INTENT_LIFE = timedelta(hours=1)
"""How long a command may take to move the aliases; one that died leaves its intent for as long."""
_KEY = re.compile(r"([0-9]{6,})(?:\.([0-9]{1,4}))?")


class Evidence(Record):
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
        """Return the summary of a version's own evidence."""
        evaluation = version.evaluation
        fid = evaluation.fid if evaluation else None
        return cls(
            version=version.version,
            sha256=version.sha256,
            fid=_finite(fid.value if fid else None),
            fid_low=_finite(fid.low if fid else None),
            fid_high=_finite(fid.high if fid else None),
            n=evaluation.n if evaluation else None,
            judge_sha256=evaluation.judge_sha256 if evaluation else None,
            data_version=version.data_version,
            candidates=version.candidates,
        )


class ChampionState(Record):
    """Who is champion, and the champions before it that a rollback goes back to, the nearest last."""

    champion: PositiveInt | None = None
    trail: tuple[PositiveInt, ...] = ()
    digests: dict[int, str | None] = Field({}, description="sha256 of the versions' graphs, as last recorded")


class DecisionRecord(Record):
    """What an entry says, before it has its place in the chain."""

    kind: Kind
    from_version: PositiveInt | None
    """The champion before; None: there was none."""
    to_version: PositiveInt | None
    """The champion after; of what moves none, the version that was decided upon; None: there is none any more."""
    who: str
    reason: str
    evidence: tuple[Evidence, ...] = ()
    policy: dict[str, Any] = Field({}, description="the gate's limits; empty where no gate decided")
    found: bool = Field(
        False, description="the champion had been moved already, outside of ganlib, when this was written"
    )
    again: bool = Field(False, description="a person insisted, though the version had been rolled back from")
    voids: tuple[str, ...] = Field((), description="keys whose content counts for nothing")
    lock: str = Field("", description="the promotion lock under which it was decided: who holds it next knows it ended")


class LedgerEntry(DecisionRecord):
    """One decision, with its place in the chain."""

    seq: PositiveInt
    time: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
    """UTC, ISO 8601 with milliseconds: such texts sort as their times do. It never goes back along the chain."""
    previous_sha256: str
    signature: str = ""
    """Of the model's name and all the above (:mod:`ganlib.registry.signatures`); empty: there was no key."""
    sha256: str
    """Of the canonical JSON of all the above (see :func:`canonical`)."""

    def spoken_of(self) -> ChampionState:
        """Return the digests of the versions that its evidence speaks of."""
        return ChampionState(digests={evidence.version: evidence.sha256 for evidence in self.evidence})


class Seal(Record):
    """The last entry whose decision was carried out in full; kept apart from the entries."""

    seq: int = Field(ge=0)
    sha256: str


class LedgerProblem(Record):
    """An entry that is not as it was written."""

    seq: int
    what: str


class MoveIntent(Record):
    """Left by a command while it moves aliases as the ledger says up to entry ``seq``: its writes may come late."""

    id: str
    seq: int = Field(ge=0)
    time: str = Field(description="as :attr:`LedgerEntry.time`")

    def live(self, now: datetime) -> bool:
        """Return whether the command may still be at work."""
        return stamp(now - _INTENT_LIFE) <= self.time <= stamp(now + _INTENT_LIFE)


def stamp(moment: datetime) -> str:
    """``moment``, which carries an offset, as records have it: UTC to the millisecond, so that text sorts as time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def canonical(content: Mapping[str, Any]) -> str:
    """Return the one JSON text of ``content``: sorted keys, no spaces, ASCII only, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def key_of(number: int, attempt: int = 1) -> str:
    """Return the key of entry ``number``; a further ``attempt`` where a stray has taken the one before."""
    return f"{number:06d}" if attempt == 1 else f"{number:06d}.{attempt}"


def place_of(key: str) -> tuple[int, int, str] | None:
    """Number and attempt of a key that could hold an entry, and the key."""
    match = _KEY.fullmatch(key)
    place = (int(match[1]), int(match[2] or 1)) if match else (0, 0)
    return (*place, key) if place[0] and key == key_of(*place) else None


def follows(text: str, number: int, previous: str | None) -> bool:
    """Return whether ``text`` is entry ``number``, as it was written, and chained to ``previous`` (None: unknown)."""
    entry = read(text)
    return (
        entry is not None
        and intact(text)
        and entry.seq == number
        and (previous is None or entry.previous_sha256 == previous)
    )


def fold(moves: Iterable[LedgerEntry]) -> ChampionState:
    """Champion and trail after ``moves``, which are in order and count."""
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
    return ChampionState(champion=champion, trail=trail, digests=digests)


@cache
def read(text: str) -> LedgerEntry | None:
    """Return the entry that ``text`` is; None if it is none."""
    try:
        return LedgerEntry.model_validate_json(text)
    except ValueError:
        return None


@cache
def intact(text: str) -> bool:
    """Return whether an entry's text carries its own sha256; of the text, so that later fields change no old digest."""
    content: dict[str, Any] = json.loads(text)
    content.pop("sha256", None)
    try:
        return text == canonical({**content, "sha256": digest(canonical(content))})
    except ValueError:  # NaN, which is never written
        return False


def digest(text: str) -> str:
    """Return the sha256 of ``text``."""
    return hashlib.sha256(text.encode()).hexdigest()


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
