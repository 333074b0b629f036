"""What people do in MLflow's page, and what reconcile makes of it: a real MLflow, real versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from ganlib.config import GateConfig, RegistryConfig
from ganlib.core.errors import GanlibError
from ganlib.registry import mlflow_ledger
from ganlib.registry.apply import apply_pending
from ganlib.registry.entries import DecisionRecord
from ganlib.registry.gate import decide
from ganlib.registry.mlflow_ledger import TAG, Ledger
from ganlib.registry.promote import promote, rollback
from ganlib.registry.reconcile import APPROVAL, APPROVE, Reconciliation, pending, reconcile
from ganlib.registry.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry, alias_lock
from ganlib.tracking.store import MlflowStore, connect
from tests import factories

NAME = "mnist-generator"
POLICY = GateConfig()


@pytest.fixture(scope="module")
def template(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> MlflowStore:
    """Copied for each test: see ``registry``."""
    project = factories.project(tmp_path_factory.mktemp("registered"), empty_database)
    store = connect(project)
    for number, fid in enumerate((20, 10, 30, 5, 1), 1):
        factories.bare_version(store, number, fid)
    assert win(Registry(store, NAME), 1)
    assert win(Registry(store, NAME), 2)
    return store


@pytest.fixture
def registry(template: MlflowStore, tmp_path: Path) -> Registry:
    """Champion 2, which displaced 1; undecided are 3, worse than both, 4, better, and 5, best, which is challenger."""
    project = factories.project(tmp_path / "project", template.project.root / "mlflow.db")
    return Registry(connect(project), NAME)


@pytest.fixture
def first(registry: Registry) -> Registry:
    """Nothing was ever decided."""
    (ledger,) = (registry.store.client.search_experiments(filter_string=f"name = '{NAME} ledger'"),)
    registry.store.client.rename_experiment(ledger[0].experiment_id, "another")
    registry.store.client.delete_registered_model_tag(NAME, TAG)
    for alias in (CHAMPION, PREVIOUS):
        registry.store.client.delete_registered_model_alias(NAME, alias)
    return registry


def win(registry: Registry, number: int, **options: bool) -> bool:
    state = registry.store.project.state
    return promote(registry, registry.get(number), policy=POLICY, state=state, **options).promoted


def look(registry: Registry, **rules: str) -> Reconciliation:
    """Reconcile twice: the second time there must be nothing left to do."""
    wanted = RegistryConfig.model_validate(rules)

    def once() -> Reconciliation:
        return reconcile(
            registry,
            gate=lambda challenger, champion, tried: decide(challenger, champion, POLICY, tried),
            rules=wanted,
            state=registry.store.project.state,
        )

    done = once()
    entries = Ledger(registry.store, NAME).read().entries()
    assert (pending(registry) is None) == (CHAMPION in aliases(registry) or entries[-1].kind != "external")
    assert [found for found in once().findings if found.level != "error"] == []
    assert Ledger(registry.store, NAME).read().entries() == entries
    return done


def moves(registry: Registry) -> list[tuple[str, int | None, int | None]]:
    """What was recorded after the two promotions of the fixture."""
    snapshot = Ledger(registry.store, NAME).read()
    assert snapshot.problems() == []
    assert snapshot.unsealed() is None
    return [(entry.kind, entry.from_version, entry.to_version) for entry in snapshot.entries()][2:]


def aliases(registry: Registry) -> Mapping[str, int]:
    return {name: int(n) for name, n in registry.store.client.get_registered_model(NAME).aliases.items()}


def test_where_nothing_happened_nothing_is_recorded(registry: Registry) -> None:
    assert not pending(registry)
    assert look(registry).findings == ()
    assert moves(registry) == []


def test_a_champion_of_before_that_a_person_sets_again_is_promoted_by_a_person(registry: Registry) -> None:
    registry.set_alias(CHAMPION, 1)
    assert pending(registry)
    done = look(registry)
    assert done.ok
    assert moves(registry) == [("promoted", 2, 1)]
    entry = Ledger(registry.store, NAME).read().entries()[-1]
    assert entry.who.startswith("a person, found by ")
    assert entry.reason == "the alias was set outside of ganlib; it had passed the gate (entry 1)"
    assert aliases(registry)[PREVIOUS] == 2


def test_an_undecided_version_is_put_to_the_gate_which_passes_it(registry: Registry) -> None:
    registry.set_alias(CHAMPION, 4)
    assert look(registry).ok
    assert moves(registry) == [("promoted", 2, 4)]
    assert registry.tags(4)["gate"] == "passed"


@pytest.mark.parametrize("refused", [False, True], ids=["undecided", "refused"])
def test_an_unearned_champion_is_reverted_and_both_moves_are_recorded(registry: Registry, refused: bool) -> None:
    if refused:
        assert not win(registry, 3)
    registry.set_alias(CHAMPION, 3)
    done = look(registry, external="revert")
    assert not done.ok
    assert moves(registry)[refused:] == [("external", 2, 3), ("rolled-back", 3, 2)]
    assert "policy registry.external: revert" in Ledger(registry.store, NAME).read().entries()[-1].reason
    assert aliases(registry)[CHAMPION] == 2
    assert aliases(registry)[PREVIOUS] == 1


def test_an_unearned_champion_is_accepted_with_a_warning_and_stays(registry: Registry) -> None:
    registry.set_alias(CHAMPION, 3)
    done = look(registry, external="accept")
    assert done.ok
    assert done.findings[-1].level == "warning"
    assert "better: FID 30" in done.findings[-1].text
    assert moves(registry) == [("external", 2, 3), ("accepted", 3, 3)]
    assert aliases(registry)[CHAMPION] == 3
    assert rollback(registry, state=registry.store.project.state).to_version == 2


def test_a_version_registered_by_hand_without_evidence_is_reverted(registry: Registry) -> None:
    made = registry.store.client.create_model_version(NAME, "s3://nowhere/by-hand", await_creation_for=0)
    registry.set_alias(CHAMPION, int(made.version))
    assert not look(registry).ok
    assert moves(registry) == [("external", 2, 6), ("rolled-back", 6, 2)]


def test_an_unearned_first_champion_is_taken_down_again(first: Registry) -> None:
    first.tag(1, {"certificate": "none"})
    first.set_alias(CHAMPION, 1)
    assert not look(first).ok
    assert CHAMPION not in aliases(first)
    entries = Ledger(first.store, NAME).read().entries()
    assert [(entry.kind, entry.from_version, entry.to_version) for entry in entries] == [
        ("external", None, 1),
        ("rolled-back", 1, None),
    ]


def test_what_another_command_recorded_as_external_is_judged_by_the_next_reconcile(registry: Registry) -> None:
    registry.set_alias(CHAMPION, 3)
    with alias_lock(registry.store.project.state):
        apply_pending(registry, Ledger(registry.store, NAME))  # as promote, rollback and register do first of all
    assert moves(registry) == [("external", 2, 3)]
    assert not look(registry).ok
    assert moves(registry) == [("external", 2, 3), ("rolled-back", 3, 2)]


@pytest.mark.parametrize(
    ("lock", "age", "level"),
    [("", 0, "error"), ("of another machine", 0, "info"), ("of another machine", 600, "error")],
    ids=["killed here", "at work elsewhere", "killed elsewhere"],
)
def test_a_rollback_that_another_command_recorded_is_told_here_only_if_that_command_cannot(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, lock: str, age: int, level: str
) -> None:
    ledger = Ledger(registry.store, NAME)
    theirs = ledger.read().entries()[-1].model_copy(update={"kind": "rolled-back", "from_version": 2, "to_version": 1})
    record = DecisionRecord.model_validate(theirs.model_dump(include=set(DecisionRecord.model_fields)))

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=age)

    with monkeypatch.context() as patch:
        if lock:
            patch.setattr(mlflow_ledger, "lock_name", lambda state: lock)
        ledger.append(record, ledger.read())
    monkeypatch.setattr("ganlib.registry.reconcile.datetime", Clock)
    (finding,) = look(registry).findings
    assert finding.level == level
    assert aliases(registry)[CHAMPION] == 1


def test_a_deleted_champion_falls_back_to_the_one_before_and_says_so(registry: Registry) -> None:
    registry.store.client.delete_model_version(NAME, "2")
    done = look(registry)
    assert not done.ok
    assert moves(registry) == [("external", 2, None), ("rolled-back", None, 1)]
    assert "version 2 was deleted" in done.findings[-1].text
    assert aliases(registry)[CHAMPION] == 1


def test_a_champion_whose_alias_was_removed_falls_back_too(registry: Registry) -> None:
    registry.store.client.delete_registered_model_alias(NAME, CHAMPION)
    assert not look(registry).ok
    assert moves(registry) == [("external", 2, None), ("rolled-back", None, 1)]


def test_an_alias_that_points_to_a_version_that_is_gone_is_healed(registry: Registry) -> None:
    with sqlite3.connect(registry.store.project.root / "mlflow.db") as database:
        database.execute("UPDATE registered_model_aliases SET version = 9 WHERE alias = 'champion'")
    assert pending(registry)
    assert not look(registry).ok
    assert aliases(registry)[CHAMPION] == 1


def test_with_nothing_to_fall_back_to_it_stays_loud_and_records_it_once(first: Registry) -> None:
    win(first, 1)
    first.store.client.delete_model_version(NAME, "1")
    done = look(first)
    assert "there is no earlier one to fall back to" in done.findings[-1].text
    assert not done.ok
    assert [entry.kind for entry in Ledger(first.store, NAME).read().entries()] == ["promoted", "external"]


def test_where_approval_is_required_a_passed_gate_waits_and_the_tag_promotes(registry: Registry) -> None:
    assert not win(registry, 4, approval=True)
    assert moves(registry) == [("awaiting", 2, 4)]
    assert (aliases(registry)[CHAMPION], aliases(registry)[CHALLENGER]) == (2, 4)
    assert look(registry, approval="required").findings == ()
    registry.tag(4, {APPROVE: "Ada"})
    assert look(registry, approval="required").ok
    assert moves(registry)[1:] == [("promoted", 2, 4)]
    entry = Ledger(registry.store, NAME).read().entries()[-1]
    assert entry.who.startswith("Ada (tag approve), found by ")
    assert APPROVE not in registry.tags(4)
    assert registry.tags(4)[APPROVAL] == "promoted (entry 4)"
    assert CHALLENGER not in aliases(registry)


def test_a_champion_set_by_hand_while_it_awaited_approval_is_earned(registry: Registry) -> None:
    win(registry, 4, approval=True)
    registry.set_alias(CHAMPION, 4)
    assert look(registry, approval="required").ok
    assert moves(registry)[1:] == [("promoted", 2, 4)]


def test_an_approval_that_comes_after_the_champion_moved_is_put_to_the_gate_anew(
    registry: Registry,
) -> None:
    win(registry, 4, approval=True)
    assert win(registry, 5)
    registry.tag(4, {APPROVE: "true"})
    done = look(registry, approval="required")
    assert not done.ok
    assert moves(registry)[1:] == [("promoted", 2, 5), ("refused", 5, 4)]
    assert registry.tags(4)[APPROVAL] == "refused (entry 5)"


def test_an_unearned_approval_is_accepted_where_the_policy_says_so(registry: Registry) -> None:
    registry.tag(3, {APPROVE: "yes"})
    done = look(registry, external="accept")
    assert (done.ok, done.findings[-1].level) == (True, "warning")
    assert moves(registry) == [("accepted", 2, 3)]
    assert aliases(registry)[CHAMPION] == 3


def test_a_tag_that_says_no_asks_for_nothing_and_one_on_the_champion_is_taken_off(registry: Registry) -> None:
    registry.tag(3, {APPROVE: "No"})
    registry.tag(2, {APPROVE: ""})
    assert look(registry).ok
    assert moves(registry) == []
    assert APPROVE in registry.tags(3)
    assert APPROVE not in registry.tags(2)


def test_evidence_in_a_forged_entry_earns_nothing_and_nothing_is_done_on_a_damaged_ledgers_word(
    registry: Registry,
) -> None:
    win(registry, 3)
    with sqlite3.connect(registry.store.project.root / "mlflow.db") as database:
        done = database.execute(
            """UPDATE params SET value = replace(value, '"refused"', '"promoted"') WHERE key = '000003'"""
        )
        assert done.rowcount == 1
    assert Ledger(registry.store, NAME).read().verdict(registry.get(3)) is None
    registry.set_alias(CHAMPION, 3)
    with pytest.raises(GanlibError, match="entry 3 was changed"):
        look(registry)
    assert aliases(registry)[CHAMPION] == 3
