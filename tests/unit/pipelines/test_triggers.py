"""The watch: causes that come together are one start, and what hinders is told once."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import yaml

from ganlib import config
from ganlib.config import Params
from ganlib.core.errors import Unavailable
from ganlib.core.project import Project
from ganlib.jobs.triggers.plan import RetrainPlan
from ganlib.registry.registry import Registry
from tests.unit.jobs.triggers.conftest import champion, pin, settings

__all__ = ["champion"]


class Runs:
    """Keeps the plans of what was started, and is under way as a test says."""

    def __init__(self) -> None:
        self.plans: list[RetrainPlan] = []
        self.at_work = False

    def under_way(self) -> bool:
        return self.at_work

    def start(self, ahead: RetrainPlan) -> None:
        self.plans.append(ahead)


def test_causes_that_come_within_a_minute_are_one_start_that_names_all(
    champion: Registry, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, seconds = champion.store, [0.0]
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    runs = Runs()
    params: list[Params] = [settings(["data", "age"])]
    monkeypatch.setattr(config, "load", lambda path: params[0])
    off: set[str] = {"data"}
    watch = flows.triggers.TriggerWatch(store.project, runs, lambda: seconds[0], lambda: off)
    assert not watch.look(), "there is no cause"
    pin(store, "e" * 32 + ".dir")
    seconds[0] = -100.0
    assert not watch.look(), "it was switched off in Prefect's page"
    off.clear()
    seconds[0] = 0.0
    assert not watch.look(), "others may follow"
    seconds[0] = 30.0
    params[0] = settings(["data", "age"], max_age_days=1e-9)
    assert not watch.look()
    seconds[0] = 60.0
    assert watch.look()
    assert [[cause.name for cause in plan.causes] for plan in runs.plans] == [["data", "age"]]
    monkeypatch.setattr(flows.triggers, "situation", _away)
    assert not watch.look()
    assert not watch.look()
    assert [record.message for record in caplog.records] == ["MLflow does not answer"]


def test_what_a_run_takes_in_and_makes_starts_no_other_before_it_has_ended(
    champion: Registry, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An inbox that is being emptied, and a data version that is made and not trained on yet, are no new causes."""
    store, seconds, runs = champion.store, [0.0], Runs()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(config, "load", lambda path: settings(["data"]))
    pin(store, "e" * 32 + ".dir")
    watch = flows.triggers.TriggerWatch(store.project, runs, lambda: seconds[0], set)
    runs.at_work = True
    for seconds[0] in (0.0, 100.0):
        assert not watch.look()
    runs.at_work = False
    seconds[0] = 200.0
    assert not watch.look(), "causes that come together are one run"
    seconds[0] = 300.0
    assert watch.look()
    assert len(runs.plans) == 1


def test_a_configuration_that_is_being_saved_does_not_end_the_watch(
    tmp_path: Path, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    project = Project(tmp_path)
    whole = yaml.safe_dump(settings(["data"], look_seconds=5.0).model_dump(mode="json")).encode()
    contents = [None, whole, whole[:-20] + b"{", b"", b"\xff", None, whole]

    class Saved(threading.Event):
        """At each wait the file is what an editor has made of it by then."""

        waits: ClassVar[list[float]] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout or 0.0)
            project.params_file.unlink(missing_ok=True)
            if (content := contents.pop(0)) is not None:
                project.params_file.write_bytes(content)
            return not contents

    monkeypatch.setattr(flows.triggers.projects, "find", lambda: project)
    monkeypatch.setattr(flows.triggers, "situation", _away)
    monkeypatch.setattr(flows.triggers, "switched_off", set)
    flows.triggers.watch_until(Saved())
    assert Saved.waits == [60.0, 60.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    assert any("not YAML" in record.message for record in caplog.records), "what hinders is told"


def _away(*_: object) -> None:
    raise Unavailable("MLflow does not answer")
