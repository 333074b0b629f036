"""The chain of decisions: what it tells, and what it notices."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganlib.core.errors import BadInput
from ganlib.registry.entries import DecisionRecord, Kind, Seal, canonical
from ganlib.registry.ledger import LedgerSnapshot, champion_at, moment

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
Move = tuple[Kind, int | None, int | None]
MOVES: tuple[Move, ...] = (
    ("promoted", None, 1),
    ("promoted", 1, 2),
    ("refused", 2, 3),
    ("external", 2, 4),
    ("rolled-back", 4, 2),
)


def written(moves: tuple[Move, ...] = MOVES, reason: str = "because") -> LedgerSnapshot:
    """A ledger with an entry an hour, all sealed."""
    snapshot = LedgerSnapshot()
    for hour, (kind, before, after) in enumerate(moves):
        decided = DecisionRecord(kind=kind, from_version=before, to_version=after, who="me@here", reason=reason)
        entry = snapshot.next_entry(decided, START + timedelta(hours=hour))
        lines = {**snapshot.lines, entry.seq: canonical(entry.model_dump(mode="json"))}
        snapshot = LedgerSnapshot(lines=lines, seal=Seal(seq=entry.seq, sha256=entry.sha256))
    return snapshot


def changed(snapshot: LedgerSnapshot, seq: int, **values: object) -> LedgerSnapshot:
    return LedgerSnapshot(
        lines={**snapshot.lines, seq: canonical({**json.loads(snapshot.lines[seq]), **values})}, seal=snapshot.seal
    )


def named(snapshot: LedgerSnapshot) -> list[int]:
    return [problem.seq for problem in snapshot.problems()]


@given(st.text(max_size=50))
def test_a_ledger_as_it_was_written_is_whole_whatever_the_reason(reason: str) -> None:
    reason = reason.encode("utf-8", "ignore").decode()
    snapshot = written(reason=reason)
    assert snapshot.problems() == []
    assert {entry.reason for entry in snapshot.entries()} == {reason}


@given(st.integers(1, 5), st.data())
def test_any_changed_character_of_an_entry_is_noticed_and_its_number_named(seq: int, data: st.DataObject) -> None:
    snapshot = written()
    text = snapshot.lines[seq]
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda one: one != text[place]))
    spoilt = LedgerSnapshot(lines={**snapshot.lines, seq: text[:place] + other + text[place + 1 :]}, seal=snapshot.seal)
    assert seq in named(spoilt)


@pytest.mark.parametrize("seq", range(1, 6))
def test_a_removed_entry_is_named_even_if_it_was_the_last(seq: int) -> None:
    snapshot = written()
    rest = LedgerSnapshot(
        lines={number: text for number, text in snapshot.lines.items() if number != seq}, seal=snapshot.seal
    )
    assert [problem.what for problem in rest.problems() if problem.seq == seq] == ["is missing: it was removed"]


def test_all_entries_removed_are_named_as_a_range() -> None:
    (problem,) = LedgerSnapshot(seal=written().seal).problems()
    assert (problem.seq, problem.what) == (1, "to 5 were removed")


def test_exchanged_entries_are_named() -> None:
    snapshot = written()
    swapped = LedgerSnapshot(lines={**snapshot.lines, 2: snapshot.lines[3], 3: snapshot.lines[2]}, seal=snapshot.seal)
    assert {2, 3} <= set(named(swapped))
    assert "holds entry 3: the entries were reordered" in [problem.what for problem in swapped.problems()]


def test_an_entry_that_was_rewritten_with_a_fitting_digest_breaks_the_chain_behind_it() -> None:
    snapshot = written()
    forged = written((*MOVES[:2], ("refused", 2, 9), *MOVES[3:]))
    spoilt = LedgerSnapshot(lines={**snapshot.lines, 3: forged.lines[3]}, seal=snapshot.seal)
    assert [problem.what for problem in spoilt.problems()] == ["does not follow entry 3: one of the two was replaced"]


def test_a_chain_that_was_rewritten_to_its_end_does_not_fit_the_seal() -> None:
    forged = written(reason="another")
    assert named(LedgerSnapshot(lines=forged.lines, seal=written().seal)) == [5]


def test_a_lost_seal_is_a_problem_and_nothing_is_carried_out_again() -> None:
    snapshot = LedgerSnapshot(lines=written().lines)
    assert named(snapshot) == [5]
    assert snapshot.unsealed() is None


def test_a_removed_last_entry_is_not_papered_over_by_the_next_one() -> None:
    snapshot = written()
    lines = {number: text for number, text in snapshot.lines.items() if number != 5}
    decided = DecisionRecord(kind="refused", from_version=2, to_version=7, who="me", reason="worse")
    entry = LedgerSnapshot(lines=lines, seal=snapshot.seal).next_entry(decided, START)
    assert entry.seq == 6
    after = LedgerSnapshot(lines={**lines, 6: canonical(entry.model_dump(mode="json"))})
    assert 5 in named(after)


def test_time_does_not_go_back_when_another_machines_clock_was_ahead() -> None:
    snapshot = written()
    decided = DecisionRecord(kind="promoted", from_version=2, to_version=7, who="me", reason="better")
    assert snapshot.next_entry(decided, START - timedelta(days=1)).time == snapshot.entries()[-1].time


def test_an_entry_dated_before_its_predecessor_is_named() -> None:
    assert 3 in named(changed(written(), 3, time="2025-01-01T00:00:00.000Z"))


@pytest.mark.parametrize(
    ("hours", "champion"), [(-0.001, None), (0, 1), (0.5, 1), (1, 2), (2.5, 2), (3, 4), (3.9, 4), (4, 2), (1e4, 2)]
)
def test_it_is_known_who_was_champion_at_any_time(hours: float, champion: int | None) -> None:
    reign = champion_at(written(), START + timedelta(hours=hours))
    assert reign.champion == champion
    assert (reign.since.to_version if reign.since else None) == champion


def test_a_rollback_goes_back_along_the_champions_and_never_to_one_it_came_from() -> None:
    assert written().champion_state().trail == (1,)
    assert written((*MOVES, ("rolled-back", 2, 1))).champion_state().trail == ()


def test_times_are_utc_unless_they_name_an_offset() -> None:
    assert moment("2026-01-01T12:00") == START
    assert moment("2026-01-01T13:00+01:00") == START
    assert moment("2026-01-01") == datetime(2026, 1, 1, tzinfo=UTC)
    assert moment("2026-01-01T12:00").astimezone(timezone(timedelta(hours=5))) == START


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "0001-01-01T00:00+14:00", "12"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is no time"):
        moment(text)
