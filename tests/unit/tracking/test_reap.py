"""Runs do not outlive their process, and nothing else is touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from ganlib.config import load
from ganlib.core import processes
from ganlib.core.project import Project
from ganlib.jobs.models import fetch
from ganlib.jobs.promotion.reconcile import reconcile
from ganlib.tracking.reap import reap
from ganlib.tracking.runs import HEARTBEAT_TAG, PROCESS_TAG, REASON_TAG, spool_file
from ganlib.tracking.store import Absent, MlflowStore, connect
from tests import factories
from tests.clocks import STEPS, shifted
from tests.support.forks import forks
from tests.unit.tracking.conftest import Begin, begin_run


def process() -> dict[str, Any]:
    """This one, as runs write it down."""
    return processes.identity()._asdict()


def _hang(root: Path, told: object) -> None:
    run = begin_run(connect(Project(root)))
    told.put(run.id)  # type: ignore[attr-defined]
    signal.pause()


def test_a_killed_run_is_found_and_ended_by_the_next_command_and_others_are_left_alone(
    store: MlflowStore, begin: Begin
) -> None:
    told = forks.Queue()
    child = forks.Process(target=_hang, args=(store.project.root, told))
    child.start()
    victim = told.get(timeout=500)
    with begin() as mine:
        assert reap(store) == []
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert reap(store) == [victim]
        assert store.client.get_run(mine.id).info.status == "RUNNING"
    found = store.client.get_run(victim)
    assert found.info.status == "KILLED"
    assert "killed" in found.data.tags[REASON_TAG]
    assert reap(store) == []


def test_reconcile_ends_what_a_killed_process_left_running(store: MlflowStore, begin: Begin) -> None:
    with begin() as run:
        store.client.set_tag(run.id, PROCESS_TAG, json.dumps(process() | {"started": 1.0}))
        reconcile(store.project, load(store.project.params_file))
        assert store.client.get_run(run.id).info.status == "KILLED"


def test_looking_for_a_model_ends_it_too(store: MlflowStore, begin: Begin) -> None:
    with begin() as run:
        store.client.set_tag(run.id, PROCESS_TAG, json.dumps(process() | {"started": 1.0}))
        with pytest.raises(Absent, match=r"generator\.onnx"):
            fetch(store.project, load(store.project.params_file), f"runs:/{run.id}")
        assert store.client.get_run(run.id).info.status == "KILLED"


def _later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have this machine run for so much longer."""
    boot, now = processes.clock()
    monkeypatch.setattr(processes, "clock", lambda: (boot, now + seconds))


ELSEWHERE = [{"host": "another"}, {"namespace": "pid:[1]"}, {"machine": "another"}]


@pytest.mark.parametrize("elsewhere", ELSEWHERE, ids=lambda change: next(iter(change)))
@pytest.mark.parametrize("age", [-86_400, 0, 86_400], ids=["its clock is ahead", "same clock", "its clock is behind"])
def test_a_process_that_cannot_be_seen_is_dead_once_its_heartbeat_stood_still_here_whatever_the_clocks_say(
    store: MlflowStore, begin: Begin, monkeypatch: pytest.MonkeyPatch, elsewhere: dict[str, str], age: int
) -> None:
    with begin() as run:
        # This very process number lives here, which says nothing of a process elsewhere.
        store.client.set_tag(run.id, PROCESS_TAG, json.dumps(process() | elsewhere))
        store.client.set_tag(run.id, HEARTBEAT_TAG, str(int(time.time()) - age))
        assert reap(store) == []
        _later(monkeypatch, 590)
        assert reap(store) == []
        store.client.set_tag(run.id, HEARTBEAT_TAG, str(int(time.time()) - age + 30))
        _later(monkeypatch, 590)
        assert reap(store) == []
        _later(monkeypatch, 590)
        assert reap(store) == []
        _later(monkeypatch, 20)
        assert reap(store) == [run.id]
    assert "no sign of life" in store.client.get_run(run.id).data.tags[REASON_TAG]


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"RUN": "torn"}', '{"RUN": ["beat", "boot", null]}'])
def test_a_damaged_note_of_heartbeats_stops_nobody_and_ends_nothing(
    store: MlflowStore, begin: Begin, kept: str
) -> None:
    with begin() as run:
        store.client.set_tag(run.id, PROCESS_TAG, json.dumps(process() | {"host": "another"}))
        (store.project.state / "heartbeats.json").write_text(kept.replace("RUN", run.id))
        assert reap(store) == []


@pytest.mark.parametrize(
    "change", [{"started": 1.0}, {"boot": 1.0}, {"pid": 2**22 + 1}], ids=lambda change: next(iter(change))
)
def test_another_process_under_the_same_number_is_not_taken_for_it(
    store: MlflowStore, begin: Begin, change: dict[str, float]
) -> None:
    with begin() as run:
        store.client.set_tag(run.id, PROCESS_TAG, json.dumps(process() | change))
        assert reap(store) == [run.id]


@pytest.mark.parametrize(("age", "expected"), [(30, False), (300, True), (-86_400, True)])
def test_a_run_of_this_machine_before_it_was_started_anew_is_ended_unless_somebody_still_writes_to_it(
    store: MlflowStore, begin: Begin, age: int, expected: bool
) -> None:
    with begin() as run:
        store.client.set_tag(run.id, PROCESS_TAG, json.dumps(process() | {"boot": "an earlier one"}))
        store.client.set_tag(run.id, HEARTBEAT_TAG, str(int(time.time()) - age))
        assert reap(store) == [run.id] * expected


@pytest.mark.parametrize("moved", [-3600.0, -3.0, 0.0, 3.0, 3600.0])
def test_a_run_that_an_earlier_version_started_is_told_apart_by_its_times(
    store: MlflowStore, begin: Begin, monkeypatch: pytest.MonkeyPatch, moved: float
) -> None:
    me, boot = psutil.Process().create_time(), psutil.boot_time()
    earlier = {key: process()[key] for key in ("host", "namespace", "pid")}
    with begin() as living, begin() as dead:
        store.client.set_tag(
            living.id, PROCESS_TAG, json.dumps(earlier | {"boot": boot - moved, "started": me - moved})
        )
        store.client.set_tag(
            dead.id, PROCESS_TAG, json.dumps(earlier | {"boot": boot - moved, "started": me - 99 - moved})
        )
        assert reap(store) == [dead.id]


@pytest.mark.parametrize("seconds", STEPS)
def test_a_clock_that_is_set_ends_no_living_run(store: MlflowStore, begin: Begin, tmp_path: Path, seconds: int) -> None:
    look = (
        "import sys; from pathlib import Path; from ganlib.core.project import Project;"
        "from ganlib.tracking.reap import reap; from ganlib.tracking.store import connect;"
        "print(reap(connect(Project(Path(sys.argv[1])))))"
    )
    with begin() as run:
        command = shifted([sys.executable, "-c", look, str(store.project.root)], seconds, tmp_path)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"
        assert store.client.get_run(run.id).info.status == "RUNNING"


def test_runs_that_are_not_ours_or_were_tampered_with_are_left_alone(store: MlflowStore, begin: Begin) -> None:
    foreign = store.client.create_run(store.experiment("tests")).info.run_id
    with begin() as run:
        store.client.set_tag(run.id, PROCESS_TAG, "what a person wrote")
        assert reap(store) == []
    assert store.client.get_run(foreign).info.status == "RUNNING"


def spooled(store: MlflowStore, run_id: str, count: int) -> Path:
    path = spool_file(store, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(["late", float(step), 1, step]) + "\n" for step in range(count)))
    return path


def test_metrics_that_were_spooled_are_replayed_once(store: MlflowStore) -> None:
    run_id = factories.finished_run(store)
    for _ in range(2):  # as if the first replay had died before it removed the file
        path = spooled(store, run_id, 1500)
        reap(store)
        assert not path.exists()
    assert [point.step for point in store.client.get_metric_history(run_id, "late")] == list(range(1500))


def test_spooled_metrics_of_a_run_of_another_store_stay_and_stop_nobody(store: MlflowStore) -> None:
    stranger = spooled(store, "0" * 32, 3)
    torn = spooled(store, "1" * 32, 3)
    torn.write_text(torn.read_text()[:-5])
    mine = spooled(store, factories.finished_run(store), 3)
    assert reap(store) == []
    assert (stranger.exists(), torn.exists(), mine.exists()) == (True, True, False)
