"""Promotion, alone and against others."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from ganlib.config import GateConfig
from ganlib.errors import BadInput
from ganlib.locks import held
from ganlib.project import Project
from ganlib.registry.promote import promote
from ganlib.registry.versions import CHALLENGER, CHAMPION, PREVIOUS, Registry
from ganlib.tracking.store import Store, connect
from tests.factories import registered

POLICY = GateConfig()


def aliases(store: Store) -> dict[str, int]:
    registry = Registry(store, "mnist-generator")
    found = {name: registry.alias(name) for name in (CHAMPION, CHALLENGER, PREVIOUS)}
    return {name: version.version for name, version in found.items() if version}


def run(store: Store, reference: str, **changes: object) -> bool:
    registry = Registry(store, "mnist-generator")
    version = registry.resolve(reference)
    return promote(registry, version, policy=POLICY, state=store.project.state, **changes).promoted  # type: ignore[arg-type]


def test_the_first_version_becomes_champion_and_is_no_longer_challenger(store: Store, graphs: list[Path]) -> None:
    registered(store, graphs[0])
    assert run(store, CHALLENGER)
    assert aliases(store) == {CHAMPION: 1}


def test_a_better_version_displaces_the_champion_which_stays_at_hand(store: Store, graphs: list[Path]) -> None:
    registered(store, graphs[0], 10)
    run(store, "1")
    registered(store, graphs[1], 5)
    assert run(store, "2")
    assert aliases(store) == {CHAMPION: 2, PREVIOUS: 1}


def test_a_refused_version_stays_challenger_and_its_reasons_are_recorded(store: Store, graphs: list[Path]) -> None:
    registered(store, graphs[0], 10)
    run(store, "1")
    made = registered(store, graphs[1], 12)
    assert not run(store, "2")
    assert aliases(store) == {CHAMPION: 1, CHALLENGER: 2}
    tag = store.client.get_model_version(made.name, "2").tags["gate"]
    assert "better" in tag
    report = store.client.download_artifacts(made.run_id, "gate/report.md")
    assert "refused" in Path(report).read_text()


def test_a_dry_run_decides_and_changes_nothing(store: Store, graphs: list[Path]) -> None:
    made = registered(store, graphs[0])
    assert run(store, "1", dry_run=True)
    assert aliases(store) == {CHALLENGER: 1}
    assert "gate" not in store.client.get_model_version(made.name, "1").tags


def test_a_champion_that_moved_since_it_was_read_stops_the_promotion(store: Store, graphs: list[Path]) -> None:
    registered(store, graphs[0], 10)
    registered(store, graphs[1], 5)
    run(store, "1", expect=0)
    with pytest.raises(BadInput, match="champion moved from none to 1 since you read it"):
        run(store, "2", expect=0)
    assert aliases(store)[CHAMPION] == 1
    assert run(store, "2", expect=1)


def test_the_champion_is_not_promoted_over_itself(store: Store, graphs: list[Path]) -> None:
    registered(store, graphs[0])
    run(store, "1")
    with pytest.raises(BadInput, match="champion already"):
        run(store, "1")


def _race(root: Path, reference: str, gate: object, results: object) -> None:
    store = connect(Project(root))
    registry = Registry(store, "mnist-generator")
    version = registry.resolve(reference)
    gate.wait()  # type: ignore[attr-defined]
    try:
        promote(registry, version, policy=POLICY, state=store.project.state, expect=1)
        results.put((reference, "won"))  # type: ignore[attr-defined]
    except BadInput as error:
        results.put((reference, str(error)))  # type: ignore[attr-defined]


@pytest.mark.slow
def test_of_two_promoters_at_once_one_wins_and_the_other_is_told(store: Store, graphs: list[Path]) -> None:
    for path, fid in zip(graphs, (10, 5, 5), strict=True):
        registered(store, path, fid)
    run(store, "1")
    spawn = multiprocessing.get_context("spawn")
    gate, results = spawn.Barrier(2), spawn.Queue()
    racers = [spawn.Process(target=_race, args=(store.project.root, n, gate, results)) for n in ("2", "3")]
    for racer in racers:
        racer.start()
    outcomes = dict(results.get(timeout=120) for _ in racers)
    for racer in racers:
        racer.join()
    winner = next(name for name, outcome in outcomes.items() if outcome == "won")
    loser = next(name for name in outcomes if name != winner)
    assert outcomes[loser] == f"champion moved from 1 to {winner} since you read it. No alias was changed."
    assert aliases(store)[CHAMPION] == int(winner)
    assert aliases(store)[PREVIOUS] == 1


def _hold(path: Path, told: object) -> None:
    with held(path, what="promotion"):
        told.set()  # type: ignore[attr-defined]
        time.sleep(600)


def test_a_promoter_killed_with_the_lock_in_its_hand_blocks_nobody(store: Store, graphs: list[Path]) -> None:
    registered(store, graphs[0])
    spawn = multiprocessing.get_context("spawn")
    told = spawn.Event()
    holder = spawn.Process(target=_hold, args=(store.project.state / "promotion.lock", told))
    holder.start()
    assert told.wait(60)
    assert holder.pid
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    start = time.monotonic()
    assert run(store, "1")
    assert time.monotonic() - start < 30  # the lock itself waits for 60 s
