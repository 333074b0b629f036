"""What a person rolled back from is not promoted again without a word: it is refused, and ``again`` insists."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.config import GateConfig, RegistryConfig
from ganlib.registry.gate import Decision, decide
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote, rollback
from ganlib.registry.reconcile import APPROVAL, APPROVE, Reconciliation, reconcile
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import MlflowStore, connect
from tests import factories

NAME, POLICY = "mnist-generator", GateConfig()


@pytest.fixture(scope="module")
def template(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> MlflowStore:
    """Copied for each test: see ``registry``."""
    store = connect(factories.project(tmp_path_factory.mktemp("registered"), empty_database))
    for number, fid in enumerate((30, 20, 10, 5), 1):
        factories.bare_version(store, number, fid)
    registry = Registry(store, NAME)
    for number in (1, 2, 3):
        assert win(registry, number).promoted
    rollback(registry, state=store.project.state, reason="threes look like eights")
    return store


@pytest.fixture
def registry(template: MlflowStore, tmp_path: Path) -> Registry:
    """Champion 2; a person rolled back from 3, by entry 4. 4 is better than all."""
    project = factories.project(tmp_path / "project", template.project.root / "mlflow.db")
    return Registry(connect(project), NAME)


def win(registry: Registry, number: int, **options: bool) -> Decision:
    state = registry.store.project.state
    return promote(registry, registry.get(number), policy=POLICY, state=state, **options)  # type: ignore[arg-type]


def look(registry: Registry, external: str = "revert") -> Reconciliation:
    return reconcile(
        registry,
        gate=lambda challenger, champion, tried: decide(challenger, champion, POLICY, tried),
        rules=RegistryConfig.model_validate({"external": external}),
        state=registry.store.project.state,
    )


def moves(registry: Registry) -> list[tuple[str, int | None, int | None]]:
    """Since the rollback."""
    snapshot = Ledger(registry.store, NAME).read()
    assert snapshot.problems() == []
    return [(entry.kind, entry.from_version, entry.to_version) for entry in snapshot.entries()][4:]


@pytest.mark.parametrize("options", [{}, {"dry_run": True}, {"approval": True}], ids=["plain", "dry-run", "approval"])
def test_it_is_refused_with_entry_and_reason_and_nothing_changes(registry: Registry, options: dict[str, bool]) -> None:
    before = registry.tags(3), registry.aliases()
    decision = win(registry, 3, **options)
    assert not decision.promoted
    assert not decision.awaiting
    assert "rolled back from it (entry 4: threes look like eights)" in decision.summary()
    assert "ganlib promote 3 --again" in decision.summary()
    assert (registry.tags(3), registry.aliases()) == before
    assert moves(registry) == []


def test_insisting_promotes_it_and_the_entry_says_so(registry: Registry) -> None:
    assert win(registry, 3, again=True).promoted
    assert moves(registry) == [("promoted", 2, 3)]
    entry = Ledger(registry.store, NAME).read().entries()[-1]
    assert entry.again
    assert "insisted on all the same" in entry.reason
    assert "entry 4: threes look like eights" in entry.reason
    rollback(registry, state=registry.store.project.state, reason="again")
    assert "entry 6: again" in win(registry, 3).summary()


def test_where_approval_is_required_insisting_waits_for_it_and_is_then_approved(registry: Registry) -> None:
    assert win(registry, 3, again=True, approval=True).awaiting
    registry.tag(3, {APPROVE: "Ada"})
    assert look(registry).ok
    assert moves(registry) == [("awaiting", 2, 3), ("promoted", 2, 3)]


def test_insisting_overrules_the_person_and_not_the_gate(registry: Registry) -> None:
    assert win(registry, 4).promoted
    assert not win(registry, 3, again=True).promoted
    assert moves(registry) == [("promoted", 2, 4), ("refused", 4, 3)]


def test_the_same_bytes_under_another_number_are_the_same_model(registry: Registry) -> None:
    made = factories.bare_version(registry.store, 5, 10)
    registry.tag(made.version, {"sha256": registry.get(3).sha256 or ""})
    assert "entry 4" in win(registry, made.version).summary()
    assert moves(registry) == []


def test_what_was_rolled_back_to_and_what_was_never_champion_is_not_taken_back(registry: Registry) -> None:
    assert win(registry, 4).promoted
    assert not win(registry, 2).promoted
    assert moves(registry)[-1] == ("refused", 4, 2)


def test_insisting_on_what_nobody_took_back_changes_nothing_of_the_decision(registry: Registry) -> None:
    assert win(registry, 4, again=True).promoted
    assert not Ledger(registry.store, NAME).read().entries()[-1].again


def test_an_approval_does_not_bring_it_back(registry: Registry) -> None:
    registry.tag(3, {APPROVE: "Ada"})
    for external in ("revert", "accept"):
        done = look(registry, external)
        assert registry.aliases()[CHAMPION] == 2
        if external == "revert":
            assert not done.ok
            assert "entry 4: threes look like eights" in done.findings[-1].text
    assert "threes look like eights" in registry.tags(3)[APPROVAL]
    assert APPROVE not in registry.tags(3)
    assert moves(registry) == []


def test_an_alias_set_by_hand_does_not_bring_it_back_under_revert(registry: Registry) -> None:
    registry.set_alias(CHAMPION, 3)
    done = look(registry)
    assert not done.ok
    assert "entry 4: threes look like eights" in done.findings[-1].text
    assert registry.aliases()[CHAMPION] == 2
    assert moves(registry) == [("external", 2, 3), ("rolled-back", 3, 2)]
    assert look(registry).findings == ()
    assert "threes look like eights" in win(registry, 3).summary()


def test_an_alias_set_by_hand_brings_it_back_with_a_warning_under_accept(registry: Registry) -> None:
    registry.set_alias(CHAMPION, 3)
    done = look(registry, "accept")
    assert done.ok
    assert done.findings[-1].level == "warning"
    assert "threes look like eights" in done.findings[-1].text
    assert moves(registry) == [("external", 2, 3), ("accepted", 3, 3)]
