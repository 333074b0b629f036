"""What anybody who may write to MLflow can put into the ledger's run, and what comes of it: nothing, and it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ganlib.config import GateConfig, RegistryConfig
from ganlib.registry.apply import apply_pending
from ganlib.registry.audit import beyond_seal
from ganlib.registry.entries import DecisionRecord, Evidence, LedgerEntry, Seal, canonical
from ganlib.registry.gate import decide
from ganlib.registry.mlflow_ledger import TAG, Ledger
from ganlib.registry.promote import promote, rollback
from ganlib.registry.reconcile import Reconciliation, pending, reconcile
from ganlib.registry.registry import CHAMPION, PREVIOUS, Registry, alias_lock
from ganlib.tracking.store import MlflowStore, connect
from tests import factories

NAME, POLICY = "mnist-generator", GateConfig()
Move = tuple[str, int | None, int | None]


@pytest.fixture(scope="module")
def template(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> MlflowStore:
    """Copied for each test: see ``registry``."""
    store = connect(factories.project(tmp_path_factory.mktemp("registered"), empty_database))
    for number, fid in enumerate((20, 10, 30, 5, 1), 1):
        factories.bare_version(store, number, fid)
    for number in (1, 2):
        assert win(Registry(store, NAME), number)
    return store


@pytest.fixture
def registry(template: MlflowStore, tmp_path: Path) -> Registry:
    """Champion 2, which displaced 1; the gate refuses 3 and would pass 4 and 5. The last entry is 2."""
    project = factories.project(tmp_path / "project", template.project.root / "mlflow.db")
    return Registry(connect(project), NAME)


def win(registry: Registry, number: int) -> bool:
    return promote(registry, registry.get(number), policy=POLICY, state=registry.store.project.state).promoted


def promoting(registry: Registry) -> None:
    assert win(registry, 4)


def returning(registry: Registry) -> None:
    assert rollback(registry, state=registry.store.project.state).to_version == 1


def registering(registry: Registry) -> None:
    with alias_lock(registry.store.project.state):
        apply_pending(registry, Ledger(registry.store, NAME))


def reconciling(registry: Registry) -> Reconciliation:
    return reconcile(
        registry,
        gate=lambda challenger, champion, tried: decide(challenger, champion, POLICY, tried),
        rules=RegistryConfig(),
        state=registry.store.project.state,
    )


COMMANDS: tuple[Callable[[Registry], object], ...] = (promoting, returning, registering, reconciling)


def write(registry: Registry, key: str, text: str) -> None:
    """A parameter of the ledger's run, as ``mlflow.log_param`` writes it."""
    client = registry.store.client
    (run,) = client.search_runs([client.get_experiment_by_name(f"{NAME} ledger").experiment_id])
    client.log_param(run.info.run_id, key, text)


def forge(registry: Registry, kind: str, before: int | None, after: int | None, **changes: Any) -> LedgerEntry:
    """An entry beyond the seal, chained and with a digest that fits, as only a command of ours should write it."""
    snapshot = Ledger(registry.store, NAME).read()
    known = tuple(Evidence.of(registry.get(number)) for number in (after, before) if number)
    content = {"who": "mallory@there", "reason": "because", "evidence": known, "policy": POLICY.model_dump(mode="json")}
    decided = DecisionRecord.model_validate(
        {"kind": kind, "from_version": before, "to_version": after, **content, **changes}
    )
    entry = snapshot.next_entry(decided, datetime.now(UTC))
    write(registry, snapshot.free_key, canonical(entry.model_dump(mode="json")))
    return entry


def moves(registry: Registry) -> list[Move]:
    """All entries after the two of the fixture; the chain must be whole, and nothing left to do."""
    snapshot = Ledger(registry.store, NAME).read()
    assert snapshot.problems() == []
    assert snapshot.unsealed() is None
    assert snapshot.news == ()
    return [(entry.kind, entry.from_version, entry.to_version) for entry in snapshot.entries()][2:]


def aliases(registry: Registry) -> Mapping[str, int]:
    return registry.aliases()


FORGED: dict[str, tuple[str, int | None, int | None, dict[str, Any]]] = {
    "promoted-though-refused": ("promoted", 2, 3, {}),
    "promoted-without-policy": ("promoted", 2, 3, {"policy": {}}),
    "promoted-past-the-champion": ("promoted", 1, 4, {}),
    "promoted-with-others-evidence": ("promoted", 2, 3, {"evidence": ()}),
    "promoted-and-found": ("promoted", 2, 3, {"found": True}),
    "accepted": ("accepted", 2, 3, {"policy": {"external": "accept", "approval": "no"}}),
    "external": ("external", 2, 3, {"found": True}),
    "external-not-found": ("external", 2, 3, {}),
    "awaiting-though-refused": ("awaiting", 2, 3, {}),
    "rolled-back-to-no-champion": ("rolled-back", 2, 3, {}),
    "rolled-back-to-none": ("rolled-back", 2, None, {}),
    "refused-though-better": ("refused", 2, 5, {}),
    "declined-though-nobody-waits": ("declined", 2, 4, {}),
    "void-of-what-holds": ("voided", None, None, {"voids": ("000002",)}),
    "a-version-that-is-not-there": ("promoted", 2, 99, {"evidence": ()}),
}


@pytest.mark.parametrize("forged", FORGED)
def test_what_nothing_bears_out_is_told_voided_and_never_carried_out(registry: Registry, forged: str) -> None:
    kind, before, after, changes = FORGED[forged]
    if after == 99:
        changes = {"evidence": (Evidence.of(registry.get(4)).model_copy(update={"version": 99}),)}
    if after != 99:
        forge(registry, kind, before, after, **changes)
    else:
        forge(registry, kind, before, None, to_version=99, **changes)
    (told,) = beyond_seal(registry, Ledger(registry.store, NAME).read())
    assert told.objection
    assert pending(registry)
    done = reconciling(registry)
    assert aliases(registry)[CHAMPION] == 2
    assert aliases(registry)[PREVIOUS] == 1
    assert moves(registry) == [(kind, before, after), ("voided", None, None)]
    assert any("is not borne out" in finding.text for finding in done.findings)
    assert pending(registry) is None
    assert Ledger(registry.store, NAME).read().champion_state().trail == (1,)
    promoting(registry)
    assert moves(registry)[2:] == [("promoted", 2, 4)]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_no_command_carries_out_a_forged_promotion(registry: Registry, command: Callable[[Registry], object]) -> None:
    forge(registry, "promoted", 2, 3)
    command(registry)
    assert moves(registry)[:2] == [("promoted", 2, 3), ("voided", None, None)]
    assert aliases(registry)[CHAMPION] in (1, 2, 4)
    assert aliases(registry).get(PREVIOUS) in (1, 2, None)
    assert Ledger(registry.store, NAME).read().verdict(registry.get(3)) is None


@pytest.mark.parametrize("first", [registering, pending], ids=["after-a-command", "at-once"])
def test_a_forged_champion_with_its_alias_set_by_hand_is_put_to_the_gate(
    registry: Registry, first: Callable[[Registry], object]
) -> None:
    forge(registry, "promoted", 2, 3)
    registry.set_alias(CHAMPION, 3)
    first(registry)
    assert not reconciling(registry).ok
    assert aliases(registry)[CHAMPION] == 2
    assert [kind for kind, _, _ in moves(registry)] == ["promoted", "voided", "external", "rolled-back"]


def test_several_forged_entries_in_a_row_are_all_voided(registry: Registry) -> None:
    forge(registry, "promoted", 2, 3)
    forge(registry, "promoted", 3, 4)
    promoting(registry)
    assert [kind for kind, _, _ in moves(registry)] == ["promoted", "promoted", "voided", "voided", "promoted"]
    assert aliases(registry)[CHAMPION] == 4
    assert aliases(registry)[PREVIOUS] == 2


def test_what_a_killed_promoter_left_is_borne_out_and_carried_out(registry: Registry) -> None:
    forge(registry, "promoted", 2, 4, who="me@here")
    (told,) = beyond_seal(registry, Ledger(registry.store, NAME).read())
    assert told.objection is None
    assert reconciling(registry).ok
    assert moves(registry) == [("promoted", 2, 4)]
    assert aliases(registry)[CHAMPION] == 4


STRAYS = {
    "garbage": ("000003", "garbage"),
    "no-object": ("000003", "[1, 2]"),
    "far": ("000999", "garbage"),
    "very-far": ("9" * 200, "{}"),
    "another-name": ("learning_rate", "0.1"),
    "second-place": ("000002.2", "garbage"),
    "own-place": ("000003.2", "garbage"),
}


@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_parameter_takes_no_number_and_is_told(registry: Registry, stray: str) -> None:
    key, text = STRAYS[stray]
    write(registry, key, text)
    assert Ledger(registry.store, NAME).read().news == (key,)
    assert pending(registry)
    assert any(key[:60] in finding.text for finding in reconciling(registry).findings)
    promoting(registry)
    snapshot = Ledger(registry.store, NAME).read()
    assert moves(registry) == [("voided", None, None), ("promoted", 2, 4)]
    assert (snapshot.last, [entry.seq for entry in snapshot.entries()]) == (4, [1, 2, 3, 4])
    assert aliases(registry)[CHAMPION] == 4


@pytest.mark.parametrize("spoil", ["digest", "chain", "number", "far"])
def test_an_entry_that_does_not_follow_is_a_stray(registry: Registry, spoil: str) -> None:
    snapshot = Ledger(registry.store, NAME).read()
    good = Evidence.of(registry.get(4))
    decided = DecisionRecord(kind="promoted", from_version=2, to_version=4, who="m", reason="b", evidence=(good,))
    entry = snapshot.next_entry(decided, datetime.now(UTC))
    if spoil == "chain":
        entry = snapshot.until(1).model_copy(update={"seal": None}).next_entry(decided, datetime.now(UTC))
    text = canonical(entry.model_dump(mode="json"))
    text = text.replace('"because"', '"why"') if spoil != "digest" else text.replace('"reason":"b"', '"reason":"c"')
    write(registry, {"number": "000004", "far": "000900"}.get(spoil, "000003"), text)
    assert len(Ledger(registry.store, NAME).read().news) == 1
    promoting(registry)
    assert moves(registry) == [("voided", None, None), ("promoted", 2, 4)]


def test_strays_without_end_cost_an_entry_for_every_twenty_and_block_nobody(registry: Registry) -> None:
    for number in range(30):
        write(registry, f"000003.{number + 2}" if number else "000003", "garbage")
    promoting(registry)
    assert moves(registry) == [("voided", None, None)] * 2 + [("promoted", 2, 4)]


def test_an_older_seal_changes_nothing_that_was_carried_out(registry: Registry) -> None:
    first = Ledger(registry.store, NAME).read().entries()[0]
    registry.store.client.set_registered_model_tag(
        NAME, TAG, Seal(seq=first.seq, sha256=first.sha256).model_dump_json()
    )
    registering(registry)
    assert moves(registry) == []
    assert aliases(registry)[CHAMPION] == 2
