"""Runs end as they ended, lose nothing, and do not outlive their process."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from ganlib.errors import GanlibError, Interrupted, Unavailable
from ganlib.project import Project
from ganlib.tracking.outbox import Outbox, Point
from ganlib.tracking.reap import reap
from ganlib.tracking.run import Run, spool_file
from ganlib.tracking.store import Absent, Store, connect
from tests import factories


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return connect(factories.project(tmp_path / "project"))


def begin(store: Store, resume: str | None = None) -> Run:
    return store.start_run(
        "test",
        family="vae",
        params={"seed": 1},
        tags={},
        data=factories.data_version(),
        source=factories.Source(None, dirty=False),
        experiment="tests",
        resume=resume,
    )


def status(store: Store, run: Run) -> tuple[str, str | None]:
    found = store.client.get_run(run.id)
    return found.info.status, found.data.tags.get("ganlib.reason")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no"), "FAILED"),
        (GanlibError("no"), "FAILED"),
        (Interrupted("no"), "KILLED"),
        (KeyboardInterrupt("no"), "KILLED"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_a_run_ends_as_its_error_says_with_the_reason(store: Store, error: BaseException, expected: str) -> None:
    run = begin(store)
    with pytest.raises(type(error)), run:
        raise error
    assert status(store, run) == (expected, f"{type(error).__name__}: no")


def test_a_run_that_succeeds_is_finished_and_cannot_be_resumed(store: Store) -> None:
    with begin(store) as run:
        pass
    assert status(store, run) == ("FINISHED", None)
    with pytest.raises(GanlibError, match="finished"):
        begin(store, resume=run.id)


def test_an_interrupted_run_goes_on_under_the_same_id(store: Store) -> None:
    run = begin(store)
    with pytest.raises(Interrupted), run:
        run.log({"loss": 1.0}, 1)
        raise Interrupted("later")
    with begin(store, resume=run.id) as again:
        again.log({"loss": 2.0}, 2)
    assert again.id == run.id
    assert [point.value for point in store.client.get_metric_history(run.id, "loss")] == [1.0, 2.0]
    assert status(store, run)[0] == "FINISHED"


def test_a_run_that_does_not_exist_is_absent(store: Store) -> None:
    with pytest.raises(Absent):
        begin(store, resume="0" * 32)


def _hang(root: Path, told: object) -> None:
    run = begin(connect(Project(root)))
    told.put(run.id)  # type: ignore[attr-defined]
    signal.pause()


def test_a_killed_run_is_found_and_ended_by_the_next_command_and_others_are_left_alone(store: Store) -> None:
    spawn = multiprocessing.get_context("spawn")
    told = spawn.Queue()
    process = spawn.Process(target=_hang, args=(store.project.root, told))
    process.start()
    victim = told.get(timeout=120)
    with begin(store) as mine:
        assert reap(store) == []
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert reap(store) == [victim]
        assert status(store, mine)[0] == "RUNNING"
    assert store.client.get_run(victim).info.status == "KILLED"
    assert "killed" in store.client.get_run(victim).data.tags["ganlib.reason"]
    assert reap(store) == []


def test_metrics_that_were_spooled_are_replayed_once(store: Store) -> None:
    with begin(store) as run:
        pass
    path = spool_file(store, run.id)
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(["late", float(step), 1, step]) + "\n" for step in range(1500)))
    reap(store)
    assert not path.exists()
    assert [point.step for point in store.client.get_metric_history(run.id, "late")] == list(range(1500))
    reap(store)
    assert len(store.client.get_metric_history(run.id, "late")) == 1500


def test_a_store_that_is_away_for_a_while_loses_and_doubles_nothing(tmp_path: Path) -> None:
    away, sent, order = [True, True, True], [], []

    def send(points: list[Point]) -> None:
        if away:
            away.pop()
            raise Unavailable("away")
        sent.extend(points)

    outbox = Outbox(send, tmp_path / "spool.jsonl", every=0.01)
    for step in range(3000):
        outbox.points([Point("loss", float(step), step, step)])
    outbox.write(lambda: order.append("after"))
    assert outbox.close() is None
    assert [point.step for point in sent] == list(range(3000))
    assert order == ["after"]
    assert not (tmp_path / "spool.jsonl").exists()


def test_what_could_not_be_sent_by_the_end_is_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "_PATIENCE", 0.1)

    def send(points: list[Point]) -> None:
        raise Unavailable("away")

    outbox = Outbox(send, tmp_path / "spool" / "r.jsonl", every=0.01)
    outbox.points([Point("loss", 1.5, 2, 3)])
    message = outbox.close()
    assert message is not None
    assert "1 metric values are kept" in message
    assert json.loads((tmp_path / "spool" / "r.jsonl").read_text()) == ["loss", 1.5, 2, 3]


def test_a_write_that_is_refused_is_told_and_stops_no_other(tmp_path: Path) -> None:
    sent: list[Point] = []
    outbox = Outbox(sent.extend, tmp_path / "s", every=0.01)

    def refuse() -> None:
        raise GanlibError("refused")

    outbox.write(refuse)
    outbox.points([Point("loss", 1.0, 1, 1)])
    with pytest.raises(GanlibError, match="refused"):
        outbox.close()
    assert len(sent) == 1
