"""Promotion, alone and against others."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ganlib.config import GateConfig
from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.core.locks import hold
from ganlib.core.project import Project
from ganlib.registry.gate import Decision
from ganlib.registry.promote import promote
from ganlib.registry.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from ganlib.registry.resolve import resolve_version
from ganlib.tracking.store import MlflowStore, connect
from tests.factories import registered
from tests.support.forks import forks

POLICY = GateConfig()


def aliases(store: MlflowStore) -> dict[str, int]:
    registry = Registry(store, "mnist-generator")
    found = {name: registry.alias(name) for name in (CHAMPION, CHALLENGER, PREVIOUS)}
    return {name: version.version for name, version in found.items() if version}


def run(store: MlflowStore, reference: str, **changes: object) -> bool:
    registry = Registry(store, "mnist-generator")
    version = resolve_version(registry, reference)
    return promote(registry, version, policy=POLICY, state=store.project.state, **changes).promoted  # type: ignore[arg-type]


def test_the_first_version_becomes_champion_and_is_no_longer_challenger(store: MlflowStore, graphs: list[Path]) -> None:
    registered(store, graphs[0])
    assert run(store, CHALLENGER)
    assert aliases(store) == {CHAMPION: 1}


def test_a_better_version_displaces_the_champion_which_stays_at_hand(store: MlflowStore, graphs: list[Path]) -> None:
    registered(store, graphs[0], 10)
    run(store, "1")
    registered(store, graphs[1], 5)
    assert run(store, "2")
    assert aliases(store) == {CHAMPION: 2, PREVIOUS: 1}


def test_a_refused_version_stays_challenger_and_its_reasons_are_recorded(
    store: MlflowStore, graphs: list[Path]
) -> None:
    registered(store, graphs[0], 10)
    run(store, "1")
    made = registered(store, graphs[1], 12)
    assert not run(store, "2")
    assert aliases(store) == {CHAMPION: 1, CHALLENGER: 2}
    assert store.client.get_model_version(made.name, "2").tags["gate"] == "refused: better"
    kept = Decision.model_validate_json(Registry(store, made.name).decision(2) or "")
    assert kept.word() == "refused: better"
    report = store.client.download_artifacts(made.run_id, "gate/report.md")
    assert "refused" in Path(report).read_text()


def test_a_dry_run_decides_and_changes_nothing(store: MlflowStore, graphs: list[Path]) -> None:
    made = registered(store, graphs[0])
    assert run(store, "1", dry_run=True)
    assert aliases(store) == {CHALLENGER: 1}
    assert store.client.get_model_version(made.name, "1").tags["gate"] == "not decided yet"


def test_a_champion_that_moved_since_it_was_read_stops_the_promotion(store: MlflowStore, graphs: list[Path]) -> None:
    registered(store, graphs[0], 10)
    registered(store, graphs[1], 5)
    run(store, "1", expect=0)
    with pytest.raises(BadInput, match="champion moved from none to 1 since you read it"):
        run(store, "2", expect=0)
    assert aliases(store)[CHAMPION] == 1
    assert run(store, "2", expect=1)


def test_the_champion_is_not_promoted_over_itself(store: MlflowStore, graphs: list[Path]) -> None:
    registered(store, graphs[0])
    run(store, "1")
    with pytest.raises(BadInput, match="champion already"):
        run(store, "1")


def test_a_challenger_that_arrived_meanwhile_keeps_its_alias(store: MlflowStore, graphs: list[Path]) -> None:
    read_before = registered(store, graphs[0], 10)
    registered(store, graphs[1], 9)
    assert CHALLENGER in read_before.aliases
    registry = Registry(store, "mnist-generator")
    assert promote(registry, read_before, policy=POLICY, state=store.project.state).promoted
    assert aliases(store) == {CHAMPION: 1, CHALLENGER: 2}


def test_evidence_that_changed_since_it_was_read_is_read_again(store: MlflowStore, graphs: list[Path]) -> None:
    read_before = registered(store, graphs[0])
    registry = Registry(store, "mnist-generator")
    registry.tag(1, {"evidence": "removed by a person"})
    assert not promote(registry, read_before, policy=POLICY, state=store.project.state).promoted
    assert CHAMPION not in aliases(store)


class MeddledWith(Registry):
    """A person sets the alias in MLflow's page while the decision is being written down."""

    def tag(self, number: int, tags: Mapping[str, str]) -> None:
        super().tag(number, tags)
        self.set_alias(CHAMPION, 3)


def test_an_alias_that_a_person_moves_meanwhile_is_not_overwritten(store: MlflowStore, graphs: list[Path]) -> None:
    for path, fid in zip(graphs, (10, 5, 50), strict=True):
        registered(store, path, fid)
    run(store, "1")
    registry = MeddledWith(store, "mnist-generator")
    with pytest.raises(BadInput, match="champion moved from 1 to 3"):
        promote(registry, resolve_version(registry, "2"), policy=POLICY, state=store.project.state)
    assert aliases(store) == {CHAMPION: 3, CHALLENGER: 3}


class Unreachable(Registry):
    """The store goes away when the decision is to be written down."""

    def tag(self, number: int, tags: Mapping[str, str]) -> None:
        raise Unavailable("away")


def test_a_decision_that_cannot_be_recorded_moves_nothing(store: MlflowStore, graphs: list[Path]) -> None:
    registered(store, graphs[0])
    registry = Unreachable(store, "mnist-generator")
    with pytest.raises(Unavailable):
        promote(registry, resolve_version(registry, "1"), policy=POLICY, state=store.project.state)
    assert aliases(store) == {CHALLENGER: 1}


def test_a_version_whose_run_was_purged_is_decided_all_the_same(store: MlflowStore, graphs: list[Path]) -> None:
    made = registered(store, graphs[0])
    store.client.set_model_version_tag(made.name, "1", "note", "kept")
    store.client.delete_run(made.run_id)
    store.client._tracking_client.store._hard_delete_run(made.run_id)  # noqa: SLF001  (as mlflow gc does)
    assert run(store, "1")
    assert aliases(store) == {CHAMPION: 1}


def test_a_corrupt_registry_stops_the_promotion(store: MlflowStore, graphs: list[Path]) -> None:
    for path in graphs[:2]:
        registered(store, path)
    run(store, "1")
    with sqlite3.connect(store.project.root / "mlflow.db") as database:
        database.execute("UPDATE registered_model_aliases SET version = 9 WHERE alias = 'champion'")
    with pytest.raises(GanlibError, match="corrupt"):
        run(store, "2")
    assert PREVIOUS not in store.client.get_registered_model("mnist-generator").aliases


def _race(root: Path, reference: str, gate: object, results: object) -> None:
    store = connect(Project(root))
    registry = Registry(store, "mnist-generator")
    version = resolve_version(registry, reference)
    gate.wait()  # type: ignore[attr-defined]
    try:
        promote(registry, version, policy=POLICY, state=store.project.state, expect=1)
        results.put((reference, "won"))  # type: ignore[attr-defined]
    except BadInput as error:
        results.put((reference, str(error)))  # type: ignore[attr-defined]


@pytest.mark.slow
def test_of_two_promoters_at_once_one_wins_and_the_other_is_told(store: MlflowStore, graphs: list[Path]) -> None:
    for path, fid in zip(graphs, (10, 5, 5), strict=True):
        registered(store, path, fid)
    run(store, "1")
    gate, results = forks.Barrier(2), forks.Queue()
    racers = [forks.Process(target=_race, args=(store.project.root, n, gate, results)) for n in ("2", "3")]
    for racer in racers:
        racer.start()
    outcomes = dict(results.get(timeout=500) for _ in racers)
    for racer in racers:
        racer.join()
    winner = next(name for name, outcome in outcomes.items() if outcome == "won")
    loser = next(name for name in outcomes if name != winner)
    assert outcomes[loser] == f"champion moved from 1 to {winner} since you read it. No alias was changed."
    assert aliases(store)[CHAMPION] == int(winner)
    assert aliases(store)[PREVIOUS] == 1


def _hold(path: Path, told: object) -> None:
    with hold(path, what="promotion"):
        told.set()  # type: ignore[attr-defined]
        time.sleep(600)


def test_a_promoter_killed_with_the_lock_in_its_hand_blocks_nobody(store: MlflowStore, graphs: list[Path]) -> None:
    registered(store, graphs[0])
    told = forks.Event()
    holder = forks.Process(target=_hold, args=(store.project.state / "promotion.lock", told))
    holder.start()
    assert told.wait(500)
    assert holder.pid
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert run(store, "1")  # a living holder would have it refused after 60 s
