"""Two promoters at once, many times over: one winner each time, and the ledger says which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganlib.config import GateConfig
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote
from ganlib.registry.registry import CHAMPION, PREVIOUS, Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.support.forks import forks

pytestmark = [pytest.mark.faults, pytest.mark.slow]

NAME, ROUNDS = "mnist-generator", 50


def _promoter(root: Path, jobs: Any, start: Any, results: Any) -> None:
    """Promote what comes out of ``jobs`` as (version, champion expected), together with the other promoter."""
    store = connect(Project(root))
    registry = Registry(store, NAME)
    for version, expected in iter(jobs.get, None):
        start.wait(120)
        try:
            version_now, state = registry.get(version), store.project.state
            decision = promote(registry, version_now, policy=GateConfig(), state=state, expect=expected)
            results.put((version, "won" if decision.promoted else decision.summary()))
        except BadInput as error:
            results.put((version, str(error)))


@pytest.mark.timeout(900)
def test_of_two_promoters_one_wins_in_each_of_fifty_rounds_and_the_ledger_is_whole(tmp_path: Path) -> None:
    store = connect(factories.project(tmp_path / "project", factories.empty_database()))
    registry = Registry(store, NAME)
    for seed in range(3):
        factories.graph(tmp_path / f"{seed}.onnx", seed)
        factories.registered(store, tmp_path / f"{seed}.onnx", 1000)
    promote(registry, registry.get(1), policy=GateConfig(), state=store.project.state)
    start, results = forks.Barrier(2), forks.Queue()
    queues = [forks.Queue() for _ in range(2)]
    racers = [forks.Process(target=_promoter, args=(store.project.root, jobs, start, results)) for jobs in queues]
    for racer in racers:
        racer.start()
    champion, expected = 1, [("promoted", None, 1)]
    for round_ in range(ROUNDS):
        rivals = [version for version in (1, 2, 3) if version != champion]
        for version, jobs in zip(rivals, queues, strict=True):
            better = factories.evaluation(900 - 10 * round_)
            registry.record_evaluation(version, better, tmp_path / f"{version - 1}.onnx")
            jobs.put((version, champion))
        outcomes = dict(results.get(timeout=120) for _ in rivals)
        (winner,) = (version for version, outcome in outcomes.items() if outcome == "won")
        (loser,) = (version for version in rivals if version != winner)
        told = f"champion moved from {champion} to {winner} since you read it. No alias was changed."
        assert outcomes[loser] == told
        expected.append(("promoted", champion, winner))
        aliases = store.client.get_registered_model(NAME).aliases
        assert (int(aliases[CHAMPION]), int(aliases[PREVIOUS])) == (winner, champion)
        champion = winner
    for racer, jobs in zip(racers, queues, strict=True):
        jobs.put(None)
        racer.join(60)
        assert racer.exitcode == 0
    snapshot = Ledger(store, NAME).read()
    assert snapshot.problems() == []
    assert [(entry.kind, entry.from_version, entry.to_version) for entry in snapshot.entries()] == expected
