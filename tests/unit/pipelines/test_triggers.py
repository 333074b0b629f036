"""The watch: causes that come together are one start, and what hinders is told once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ganlib import config
from ganlib.config import Params
from ganlib.core.errors import Unavailable
from ganlib.jobs.triggers.plan import RetrainPlan
from ganlib.registry.registry import Registry
from tests.unit.jobs.triggers.conftest import champion, pin, settings

__all__ = ["champion"]


def test_causes_that_come_within_a_minute_are_one_start_that_names_all(
    champion: Registry, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, seconds = champion.store, [0.0]
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    plans: list[RetrainPlan] = []

    def start(plan: RetrainPlan) -> None:
        plans.append(plan)

    params: list[Params] = [settings(["data", "age"])]
    monkeypatch.setattr(config, "load", lambda path: params[0])
    off: set[str] = {"data"}
    watch = flows.triggers.TriggerWatch(store.project, start, lambda: seconds[0], lambda: off)
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
    assert [[cause.name for cause in plan.causes] for plan in plans] == [["data", "age"]]
    monkeypatch.setattr(flows.triggers, "situation", _away)
    assert not watch.look()
    assert not watch.look()
    assert [record.message for record in caplog.records] == ["MLflow does not answer"]


def _away(*_: object) -> None:
    raise Unavailable("MLflow does not answer")
