"""The ledger in a real MLflow: what promotion, rollback and people leave in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from ganlib.config import GateConfig
from ganlib.core.errors import BadInput, Unavailable
from ganlib.registry.entries import DecisionRecord
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote, rollback
from ganlib.registry.registry import CHAMPION, PREVIOUS, Registry
from ganlib.tracking.store import MlflowStore
from tests.factories import registered

NAME = "mnist-generator"
POLICY = GateConfig()


@pytest.fixture
def registry(store: MlflowStore, graphs: list[Path]) -> Registry:
    """Versions 1, 2, 3, each better than the one before; none promoted."""
    for path, fid in zip(graphs, (30, 20, 10), strict=True):
        registered(store, path, fid)
    return Registry(store, NAME)


def win(registry: Registry, number: int) -> bool:
    state = registry.store.project.state
    return promote(registry, registry.get(number), policy=POLICY, state=state).promoted


def back(registry: Registry, **options: object) -> int | None:
    return rollback(registry, state=registry.store.project.state, **options).to_version  # type: ignore[arg-type]


def moves(registry: Registry) -> list[tuple[str, int | None, int | None]]:
    snapshot = Ledger(registry.store, NAME).read()
    assert snapshot.problems() == []
    assert snapshot.unsealed() is None
    return [(entry.kind, entry.from_version, entry.to_version) for entry in snapshot.entries()]


def aliases(registry: Registry) -> Mapping[str, int]:
    found = registry.store.client.get_registered_model(NAME).aliases
    return {name: int(found[name]) for name in (CHAMPION, PREVIOUS) if name in found}


def test_every_decision_is_recorded_with_its_evidence_policy_and_reason(registry: Registry) -> None:
    assert win(registry, 2)
    assert not win(registry, 1)
    assert win(registry, 3)
    assert moves(registry) == [("promoted", None, 2), ("refused", 2, 1), ("promoted", 2, 3)]
    first, refused, _ = Ledger(registry.store, NAME).read().entries()
    assert first.reason == "there is no champion"
    assert refused.reason.startswith("better: FID 30")
    assert [evidence.version for evidence in refused.evidence] == [1, 2]
    assert refused.evidence[0].fid == 30
    assert refused.evidence[0].judge_sha256 == "j" * 64
    assert refused.policy == POLICY.model_dump(mode="json")
    assert "@" in refused.who


def test_a_dry_run_leaves_no_entry(registry: Registry) -> None:
    promote(registry, registry.get(1), policy=POLICY, state=registry.store.project.state, dry_run=True)
    assert moves(registry) == []


def test_rollbacks_go_back_champion_by_champion_and_then_say_that_there_is_none(registry: Registry) -> None:
    for number in (1, 2, 3):
        win(registry, number)
    assert aliases(registry) == {CHAMPION: 3, PREVIOUS: 2}
    assert back(registry, expect=3, reason="threes look like eights") == 2
    assert aliases(registry) == {CHAMPION: 2, PREVIOUS: 1}
    with pytest.raises(BadInput, match="champion moved from 3 to 2"):
        back(registry, expect=3)
    assert back(registry) == 1
    assert aliases(registry) == {CHAMPION: 1}
    with pytest.raises(BadInput, match="no earlier champion"):
        back(registry)
    assert moves(registry)[3:] == [("rolled-back", 3, 2), ("rolled-back", 2, 1)]
    assert Ledger(registry.store, NAME).read().entries()[3].reason == "threes look like eights"


def test_a_champion_set_in_the_page_is_recorded_as_external_and_can_be_rolled_back(registry: Registry) -> None:
    win(registry, 2)
    registry.set_alias(CHAMPION, 1)
    assert back(registry) == 2
    assert moves(registry) == [("promoted", None, 2), ("external", 2, 1), ("rolled-back", 1, 2)]
    assert Ledger(registry.store, NAME).read().entries()[1].who.startswith("unknown, found by ")


def test_a_removed_champion_is_recorded_and_rolled_back_to(registry: Registry) -> None:
    win(registry, 2)
    registry.store.client.delete_registered_model_alias(NAME, CHAMPION)
    assert back(registry) == 2
    assert moves(registry)[1:] == [("external", 2, None), ("rolled-back", None, 2)]
    assert aliases(registry) == {CHAMPION: 2}


def test_a_champion_from_before_the_ledger_is_its_first_entry(registry: Registry) -> None:
    registry.set_alias(CHAMPION, 2)
    registry.set_alias(PREVIOUS, 1)
    assert win(registry, 3)
    assert moves(registry) == [("external", None, 2), ("promoted", 2, 3)]
    assert back(registry) == 2


def test_a_rollback_passes_over_versions_that_were_deleted(registry: Registry) -> None:
    for number in (1, 2, 3):
        win(registry, number)
    registry.store.client.delete_model_version(NAME, "2")
    assert back(registry) == 1


def test_a_person_who_moves_the_alias_after_the_entry_was_written_is_not_overwritten(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    win(registry, 1)
    append = Ledger.append

    def meddled(self: Ledger, decided: DecisionRecord, seen: LedgerSnapshot) -> object:
        entry = append(self, decided, seen)
        if decided.kind == "promoted":
            registry.set_alias(CHAMPION, 3)
        return entry

    monkeypatch.setattr(Ledger, "append", meddled)
    with pytest.raises(BadInput, match="champion was set to 3 in MLflow"):
        win(registry, 2)
    assert aliases(registry)[CHAMPION] == 3
    assert moves(registry) == [("promoted", None, 1), ("promoted", 1, 2), ("external", 2, 3)]


def test_a_version_deleted_before_its_promotion_was_carried_out_does_not_block(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    win(registry, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "set_alias", _away)
        with pytest.raises(Unavailable, match=r"Entry 2 of the ledger \(promoted\) was recorded"):
            win(registry, 2)
    registry.store.client.delete_model_version(NAME, "2")
    assert win(registry, 3)
    assert aliases(registry) == {CHAMPION: 3, PREVIOUS: 1}
    assert moves(registry)[1:] == [("promoted", 1, 2), ("voided", None, None), ("promoted", 1, 3)]


def _away(*_: object) -> None:
    raise Unavailable("MLflow is away.")


def test_the_versions_of_a_model_that_was_deleted_and_made_anew_are_not_taken_for_the_old_ones(
    registry: Registry, graphs: list[Path]
) -> None:
    win(registry, 1)
    registry.store.client.delete_registered_model(NAME)
    registered(registry.store, graphs[1], 90)
    with pytest.raises(BadInput, match="champion moved from 1 to none"):
        promote(registry, registry.get(1), policy=POLICY, state=registry.store.project.state, expect=1)
    assert not aliases(registry)
    snapshot = Ledger(registry.store, NAME).read()
    assert [entry.kind for entry in snapshot.entries()] == ["promoted", "external"]


def test_a_writer_elsewhere_who_takes_the_number_first_wins(
    registry: Registry,
) -> None:
    """Another machine does not see this machine's lock; MLflow lets each number be written once."""
    win(registry, 1)
    stale = Ledger(registry.store, NAME).read()
    ours = DecisionRecord(kind="promoted", from_version=1, to_version=2, who="here", reason="better")
    theirs = ours.model_copy(update={"to_version": 3, "who": "there"})
    entry = Ledger(registry.store, NAME).append(theirs, stale)
    with pytest.raises(Unavailable, match=r"somebody else has recorded a decision meanwhile \(entry 2\)"):
        Ledger(registry.store, NAME).append(ours, stale)
    assert Ledger(registry.store, NAME).read().entries()[-1] == entry


def test_an_entry_changed_in_the_database_is_named_and_blocks_no_rollback(registry: Registry) -> None:
    win(registry, 1)
    win(registry, 2)
    with sqlite3.connect(registry.store.project.root / "mlflow.db") as database:
        done = database.execute(
            """UPDATE params SET value = replace(value, '"to_version":1', '"to_version":3') WHERE key = '000001'"""
        )
        assert done.rowcount == 1
    (problem,) = Ledger(registry.store, NAME).read().problems()
    assert (problem.seq, problem.what) == (1, "was changed: its content does not match its sha256")
    assert back(registry) == 1


def test_mlflow_itself_refuses_to_change_an_entry(registry: Registry) -> None:
    win(registry, 1)
    client = registry.store.client
    experiment = client.get_experiment_by_name(f"{NAME} ledger")
    (run,) = client.search_runs([experiment.experiment_id])
    with pytest.raises(Exception, match="Changing param values is not allowed"):
        client.log_param(run.info.run_id, "000001", "{}")


def test_a_ledger_deleted_in_the_page_is_still_read_and_is_asked_back_before_anything_moves(
    registry: Registry,
) -> None:
    win(registry, 1)
    client = registry.store.client
    (run,) = client.search_runs([client.get_experiment_by_name(f"{NAME} ledger").experiment_id])
    client.delete_run(run.info.run_id)
    assert moves(registry) == [("promoted", None, 1)]
    with pytest.raises(BadInput, match="the ledger of mnist-generator was deleted"):
        win(registry, 2)
    assert aliases(registry) == {CHAMPION: 1}
    client.restore_run(run.info.run_id)
    assert win(registry, 2)


def test_a_reason_that_does_not_fit_is_refused_before_anything_moves(registry: Registry) -> None:
    win(registry, 1)
    win(registry, 2)
    with pytest.raises(BadInput, match="the reason is too long"):
        back(registry, reason="x" * 6000)
    assert aliases(registry) == {CHAMPION: 2, PREVIOUS: 1}
