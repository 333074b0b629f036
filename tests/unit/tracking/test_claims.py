"""Who retrains what: two machines with state of their own that share one MLflow database."""

from __future__ import annotations

import shutil
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from ganlib.core import processes
from ganlib.core.project import Project
from ganlib.tracking import claims as module
from ganlib.tracking.claims import ATTEMPTS, Claims, Standing, WorkClaim
from ganlib.tracking.store import MlflowStore, connect
from tests import factories

KEY = "k" * 32


@pytest.fixture
def machines(empty_database: Path, tmp_path: Path) -> list[Claims]:
    """Four of them."""
    shutil.copyfile(empty_database, tmp_path / "mlflow.db")
    projects = [factories.project(tmp_path / f"machine-{number}") for number in range(4)]
    return [Claims(connect(each, f"sqlite:///{tmp_path / 'mlflow.db'}"), "mnist-generator") for each in projects]


def take(claims: Claims, key: str = KEY, **more: bool) -> WorkClaim | Standing:
    return claims.take(key, ("data",), {}, seconds=100, **more)


def reason(standing: WorkClaim | Standing) -> str:
    assert isinstance(standing, Standing)
    assert standing.blocks
    return standing.blocks


def test_of_several_machines_that_claim_at_once_one_succeeds(machines: list[Claims]) -> None:
    with ThreadPool(len(machines)) as pool:
        taken = pool.map(take, machines)
    (claim,) = [each for each in taken if isinstance(each, WorkClaim)]
    assert "are being retrained since" in reason(next(each for each in taken if isinstance(each, Standing)))
    assert [each.claim for each in machines[0].read()] == [claim]
    assert (
        len({claims.store.client.get_experiment_by_name(claims.experiment).experiment_id for claims in machines}) == 1
    )


def test_what_was_done_is_not_done_again_unless_a_person_insists(machines: list[Claims]) -> None:
    one, other = machines[:2]
    claim = take(one)
    assert isinstance(claim, WorkClaim)
    one.end(claim, "done", "version 3 promoted to champion", 12.3)
    assert "were retrained at" in reason(take(other))
    assert "for data): version 3 promoted" in reason(take(other))
    assert isinstance(take(other, "another"), WorkClaim)
    again = take(other, insist=True)
    assert isinstance(again, WorkClaim)
    assert again.attempt == 2


def test_a_failure_is_not_tried_again_and_what_was_stopped_is_a_few_times(machines: list[Claims]) -> None:
    one, other = machines[:2]
    for attempt in range(1, ATTEMPTS + 1):
        claim = take(one)
        assert isinstance(claim, WorkClaim)
        assert claim.attempt == attempt
        one.end(claim, "stopped", "Unavailable: away", 1)
    assert f"begun {ATTEMPTS} times and did not end" in reason(take(other))
    claim = take(one, "diverges")
    assert isinstance(claim, WorkClaim)
    one.end(claim, "failed", "GanlibError: diverged", 1)
    assert reason(take(other, "diverges")).endswith("GanlibError: diverged")


def test_a_claim_of_a_killed_process_is_taken_over(machines: list[Claims], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = machines[:2]
    gone = processes.identity()._replace(pid=2**22 + 1)
    with monkeypatch.context() as patch:
        patch.setattr(processes, "identity", lambda: gone)
        claim = take(one)
    assert isinstance(claim, WorkClaim)
    over = take(other)
    assert isinstance(over, WorkClaim)
    assert over.attempt == 2


def test_a_claim_of_another_machine_holds_for_as_long_as_it_said(
    machines: list[Claims], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = machines[:2]
    with monkeypatch.context() as patch:
        elsewhere = processes.identity()._replace(host="elsewhere", pid=1)
        patch.setattr(processes, "identity", lambda: elsewhere)
        claim = take(one)
    assert isinstance(claim, WorkClaim)
    reason(take(other))
    monkeypatch.setattr(module.time, "time", lambda: claim.until + 1)
    assert isinstance(take(other), WorkClaim)


def test_what_a_person_writes_there_is_no_claim(store: MlflowStore) -> None:
    claims = Claims(store, "mnist-generator")
    assert claims.read() == []
    assert isinstance(take(claims), WorkClaim)
    run = store.client.search_runs([store.client.get_experiment_by_name(claims.experiment).experiment_id])[0]
    store.client.log_param(run.info.run_id, "mine", "hello")
    store.client.set_tag(run.info.run_id, "a.note", "hello")
    assert len(claims.read()) == 1
    assert isinstance(claims.store.project, Project)
