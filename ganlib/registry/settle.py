"""Bring aliases and ledger together: carry out what a killed command had recorded, record what people moved.

Every function here is called with the lock on aliases held.
"""

from __future__ import annotations

from collections.abc import Callable

from ganlib.errors import BadInput, Unavailable
from ganlib.registry.ledger import STILL, Decided, Entry, Evidence, Kind, Standing
from ganlib.registry.ledger_store import Ledger, who
from ganlib.registry.versions import CHALLENGER, CHAMPION, PREVIOUS, Registry, Version
from ganlib.tracking.store import Absent


def carry_out(registry: Registry, ledger: Ledger, decided: Decided) -> Entry:
    """Record ``decided``, then move the aliases as it says: whoever dies in between has left word of what to do.

    Raises:
        BadInput: somebody moved the champion meanwhile. Both moves are recorded; theirs stands.
        Unavailable: MLflow went away. What was recorded is carried out by the next command that decides.
    """
    entry = ledger.append(decided)
    try:
        settle(registry, ledger)
        champion = registry.alias(CHAMPION)
    except Unavailable as error:
        raise Unavailable(
            f"MLflow at {registry.store.shown} went away. Entry {entry.seq} of the ledger ({entry.kind}) was recorded "
            "and may not be carried out yet: the next `ganlib promote`, `rollback` or `reconcile` does that first."
        ) from error
    now = champion.version if champion else None
    if entry.kind not in STILL and now != entry.to_version:
        raise BadInput(
            f"champion was set to {now or 'none'} in MLflow while version {entry.to_version} was to take its place. "
            "That alias was kept, and all of it is in `ganlib registry history`."
        )
    return entry


Judge = Callable[[Version, Version | None], str | None]
"""Why a version that a person made champion has earned it against the one before it; None: it has not."""


def settle(registry: Registry, ledger: Ledger, judge: Judge | None = None) -> Entry | None:
    """Carry out the last entry if it was not sealed, then record a champion that was set or removed outside of ganlib.

    Args:
        registry: the registered model.
        ledger: its ledger.
        judge: of a version that a person made champion; default: whether the ledger says that the gate passed it.

    Returns:
        The entry that was carried out now, if there was one.

    Raises:
        GanlibError: the champion's alias points to a version that is gone. Nothing was changed.
        Unavailable: MLflow does not answer.
    """
    champion = registry.alias(CHAMPION)
    book = ledger.read()
    unsealed, carried_out = book.unsealed(), None
    if unsealed:
        now = champion.version if champion else None
        if unsealed.kind in ("promoted", "rolled-back", "accepted"):
            target = existing(registry, unsealed.to_version, book.standing())
            if now == unsealed.to_version or (now == unsealed.from_version and not unsealed.found):
                if target:
                    _move(registry, unsealed, book.standing(), target)
                    champion, carried_out = target, unsealed
                elif unsealed.to_version is None:
                    registry.drop_alias(CHAMPION)
                    champion, carried_out = None, unsealed
        elif unsealed.kind == "awaiting":
            spoken_of = Standing(digests={known.version: known.sha256 for known in unsealed.evidence})
            if target := existing(registry, unsealed.to_version, spoken_of):
                registry.set_alias(CHALLENGER, target.version)
        elif unsealed.kind == "external":
            _place_previous(registry, book.standing())
        ledger.seal(unsealed)
    if (champion.version if champion else None) != book.standing().champion:
        before = existing(registry, book.standing().champion, book.standing())
        earned = None
        if champion and not (unsealed and not carried_out and unsealed.kind not in STILL):
            passed = book.verdict(champion)
            if passed and passed.kind != "refused":
                earned = f"it had passed the gate (entry {passed.seq})"
            elif judge:
                earned = judge(champion, before)
        _record_external(registry, ledger, champion, book.standing(), before, earned, first=not book.last)
    return carried_out


def displaced(registry: Registry, standing: Standing) -> Version | None:
    """The nearest earlier champion that still exists."""
    return next((found for number in reversed(standing.trail) if (found := existing(registry, number, standing))), None)


def _move(registry: Registry, entry: Entry, standing: Standing, target: Version) -> None:
    """``previous`` first and ``champion`` in one call, as often as need be: the result is the same."""
    if not _place_previous(registry, standing) and entry.kind == "rolled-back":
        registry.drop_alias(PREVIOUS)  # it names the version that is now champion
    registry.set_alias(CHAMPION, target.version)
    registry.retire_challenger(target.version)


def _place_previous(registry: Registry, standing: Standing) -> bool:
    found = displaced(registry, standing)
    if found:
        registry.set_alias(PREVIOUS, found.version)
    return found is not None


def _record_external(
    registry: Registry,
    ledger: Ledger,
    champion: Version | None,
    standing: Standing,
    before: Version | None,
    earned: str | None,
    *,
    first: bool,
) -> None:
    kind: Kind = "external"
    if earned:
        kind, reason = "promoted", f"the alias was set outside of ganlib; {earned}"
    elif first:
        reason = "this version was champion when the ledger began"
    elif champion:
        reason = "the alias was set outside of ganlib"
    elif before:
        reason = "the alias was removed outside of ganlib"
    else:
        reason = f"version {standing.champion} was deleted outside of ganlib"
    entry = ledger.append(
        Decided(
            kind=kind,
            found=True,
            from_version=standing.champion,
            to_version=champion.version if champion else None,
            who=f"{'a person' if earned else 'unknown'}, found by {who()}",
            reason=reason,
            evidence=tuple(Evidence.of(version) for version in (champion, before) if version),
        )
    )
    _place_previous(registry, ledger.read().standing())
    ledger.seal(entry)


def existing(registry: Registry, number: int | None, standing: Standing) -> Version | None:
    """Version ``number``, if it is the one that the ledger speaks of: a model that was made anew counts from 1."""
    if number is None:
        return None
    try:
        found = registry.get(number)
    except Absent:
        return None
    return found if found.sha256 == standing.digests.get(number) else None
