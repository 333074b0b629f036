"""A run ends as it ended, and records what it was made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganlib.core import processes
from ganlib.core.errors import BadInput, GanlibError, Interrupted
from ganlib.tracking import runs
from ganlib.tracking.runs import PROCESS_TAG, REASON_TAG, Run
from ganlib.tracking.store import Absent, MlflowStore
from tests import factories
from tests.unit.tracking.conftest import Begin, begin_run


def status(store: MlflowStore, run: Run) -> tuple[str, str | None]:
    found = store.client.get_run(run.id)
    return found.info.status, found.data.tags.get(REASON_TAG)


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
def test_a_run_ends_as_its_error_says_with_the_reason(
    store: MlflowStore, begin: Begin, error: BaseException, expected: str
) -> None:
    run = begin()
    with pytest.raises(type(error)), run:
        raise error
    assert status(store, run) == (expected, f"{type(error).__name__}: no")


def test_a_run_that_succeeds_is_finished_and_cannot_be_resumed(store: MlflowStore, begin: Begin) -> None:
    with begin() as run:
        pass
    assert status(store, run) == ("FINISHED", None)
    with pytest.raises(BadInput, match="finished"):
        begin(run.id)


def test_an_interrupted_run_goes_on_under_the_same_id_and_forgets_why_it_was_stopped(
    store: MlflowStore, begin: Begin
) -> None:
    run = begin()
    with pytest.raises(Interrupted), run:
        run.log({"loss": 1.0}, 1)
        raise Interrupted("later")
    with begin(run.id) as again:
        again.log({"loss": 2.0}, 2)
    assert again.id == run.id
    assert [point.value for point in store.client.get_metric_history(run.id, "loss")] == [1.0, 2.0]
    assert status(store, run) == ("FINISHED", None)


def test_a_run_that_goes_on_elsewhere_cannot_be_resumed(begin: Begin) -> None:
    with begin() as run, pytest.raises(BadInput, match="still running"):
        begin(run.id)


def test_a_run_that_does_not_exist_is_absent(begin: Begin) -> None:
    with pytest.raises(Absent):
        begin("0" * 32)


def test_everything_logged_is_there_when_the_run_ends(store: MlflowStore, begin: Begin, tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"\0\1\2")
    with begin() as run:
        for step in range(700):
            run.log({"loss": step / 7, "nan": float("nan")}, step)
        run.artifact(file, "checkpoint")
        run.text("text", "notes/a.txt")
        run.image(b"png", "grids/step-1.png")
        run.tag("key", "value")
    history = store.client.get_metric_history(run.id, "loss")
    assert [(point.step, point.value) for point in history] == [(step, step / 7) for step in range(700)]
    assert len(store.client.get_metric_history(run.id, "nan")) == 700
    assert store.download(run.id, "checkpoint/weights.bin", tmp_path / "got").read_bytes() == b"\0\1\2"
    assert store.download(run.id, "notes/a.txt", tmp_path / "got").read_text() == "text"
    assert store.download(run.id, "grids/step-1.png", tmp_path / "got").read_bytes() == b"png"
    assert store.client.get_run(run.id).data.tags["key"] == "value"


def test_a_run_that_lacks_an_artifact_has_all_else_and_is_no_finished_one(store: MlflowStore, begin: Begin) -> None:
    with pytest.raises(GanlibError, match=r"gone\.bin"), begin() as run:
        run.artifact(Path("gone.bin"))
        run.log({"loss": 1.0}, 1)
    state, reason = status(store, run)
    assert state == "FAILED"
    assert "could not be recorded" in str(reason)
    assert "gone.bin" in str(reason)
    assert len(store.client.get_metric_history(run.id, "loss")) == 1
    with begin(run.id):
        pass
    assert status(store, run) == ("FINISHED", None)


def test_trouble_at_the_end_does_not_hide_the_error_that_ended_the_run(
    store: MlflowStore, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="the cause"), begin() as run:
        run.artifact(Path("gone.bin"))
        raise ValueError("the cause")
    assert status(store, run)[0] == "FAILED"
    assert "gone.bin" in caplog.text


def test_a_run_that_cannot_be_recorded_fails_and_does_not_stay_running(store: MlflowStore) -> None:
    with pytest.raises(GanlibError):
        runs.start(
            store,
            "test",
            family="vae",
            params={"no good: %": 1},
            tags={},
            data=factories.data_version(),
            source=factories.SourceRevision(None, dirty=False),
            experiment="tests",
        )
    (run,) = store.client.search_runs([store.experiment("tests")])
    assert run.info.status == "FAILED"
    assert "could not be recorded" in run.data.tags[REASON_TAG]


def test_a_run_knows_its_data_its_source_and_its_surroundings(store: MlflowStore, tmp_path: Path) -> None:
    data = factories.data_version()
    with begin_run(store) as run:
        pass
    found = store.client.get_run(run.id)
    (dataset,) = found.inputs.dataset_inputs
    assert dataset.dataset.digest == data.md5[:32]
    assert json.loads(dataset.dataset.source)["tags"]["dvc.md5"] == data.md5
    assert found.data.tags["ganlib.data_version"] == data.md5
    assert found.data.params == {"seed": "1"}
    assert json.loads(found.data.tags[PROCESS_TAG]) == processes.identity()._asdict()
    environment = json.loads(store.download(run.id, "environment.json", tmp_path / "got").read_text())
    assert environment["packages"]["mlflow"]
    assert environment["cores"] >= 1


def test_the_system_is_watched_while_the_run_lasts(
    store: MlflowStore, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    enough = threading.Event()
    log = Run.log

    def listen(run: Run, values: dict[str, float], step: int) -> None:
        log(run, values, step)
        if step >= 2:
            enough.set()

    monkeypatch.setattr(Run, "log", listen)
    with (run := begin()):
        assert enough.wait(300)
    history = store.client.get_metric_history(run.id, "system/cpu_utilization_percentage")
    assert [point.step for point in history][:3] == [0, 1, 2]


def test_under_mlflow_run_ours_is_its_child_in_the_same_experiment(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = store.client.create_experiment("of mlflow run")
    parent = store.client.create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", parent)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    with begin_run(store) as run:
        pass
    found = store.client.get_run(run.id)
    assert found.info.experiment_id == experiment
    assert found.data.tags["mlflow.parentRunId"] == parent
    assert store.client.get_run(parent).info.status == "RUNNING"
