"""The watch over MLflow's page: a real registry, the job that the flow runs, and people who do something meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ganlib import config
from ganlib.config import GateConfig
from ganlib.core.errors import GanlibError
from ganlib.jobs.promotion.reconcile import reconcile
from ganlib.registry.mlflow_ledger import TAG, Ledger
from ganlib.registry.promote import promote
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import MlflowStore
from tests import factories
from tests.conftest import ROOT

PARAMS = config.load(ROOT / "params.yaml")


@pytest.fixture
def registry(store: MlflowStore) -> Registry:
    """Version 1 is the first champion."""
    registry = Registry(store, PARAMS.registry.model)
    factories.bare_version(store, 1, 10)
    assert promote(registry, registry.get(1), policy=GateConfig(), state=store.project.state).promoted
    return registry


class Looks(threading.Event):
    """Lets a watch look so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.left < 0


Watch = Callable[[int, Callable[[int], object]], list[bool]]


@pytest.fixture
def watch(registry: Registry, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Let a watch look so many times; ``meanwhile`` is what people do as each run that it starts ends.

    Returns whether each run ended well.
    """
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(flows.reconcile.projects, "find", lambda: registry.store.project)
    monkeypatch.setattr(config, "load", lambda path: PARAMS)

    def watched(looks: int, meanwhile: Callable[[int], object]) -> list[bool]:
        runs: list[bool] = []

        def run(return_state: bool) -> Any:
            done = reconcile(registry.store.project, PARAMS)
            runs.append(done.ok)
            meanwhile(len(runs))
            error = None if done.ok else GanlibError(done.summary())
            return SimpleNamespace(result=lambda raise_on_failure: error)

        monkeypatch.setattr(flows.reconcile, "reconcile", run)
        flows.reconcile.watch_until(Looks(looks))
        return runs

    return watched


def test_what_cannot_be_mended_is_told_once(registry: Registry, watch: Watch) -> None:
    registry.store.client.delete_registered_model_alias(registry.name, CHAMPION)
    assert watch(4, lambda run: None) == [False]


def test_the_models_of_other_data_sets_are_looked_after_too(registry: Registry, watch: Watch) -> None:
    """Somebody sets the champion of one by hand to a version that the gate does not pass."""
    other = Registry(registry.store, "icons-generator")
    for number, fid in enumerate((10, 90), 1):
        factories.bare_version(registry.store, number, fid, other.name)
    assert promote(other, other.get(1), policy=GateConfig(), state=registry.store.project.state).promoted
    assert watch(2, lambda run: None) == []
    other.set_alias(CHAMPION, 2)
    assert watch(4, lambda run: None) == [False]
    assert (other.aliases()[CHAMPION], registry.aliases()[CHAMPION]) == (1, 1)


def test_a_ledger_that_was_tampered_with_hinders_no_other_model(registry: Registry) -> None:
    other = Registry(registry.store, "icons-generator")
    for number, fid in enumerate((10, 90), 1):
        factories.bare_version(registry.store, number, fid, other.name)
    assert promote(other, other.get(1), policy=GateConfig(), state=registry.store.project.state).promoted
    other.set_alias(CHAMPION, 2)
    registry.store.client.set_registered_model_tag(registry.name, TAG, '{"seq": 9, "sha256": "00"}')
    done = reconcile(registry.store.project, PARAMS)
    assert [(finding.model, finding.level) for finding in done.findings] == [
        (registry.name, "error"), (other.name, "info"), (other.name, "error"),
    ]  # fmt: skip
    assert "the ledger of mnist-generator is damaged" in done.summary()
    assert other.aliases()[CHAMPION] == 1


def test_what_people_do_while_a_run_ends_is_found_by_the_next_look(registry: Registry, watch: Watch) -> None:
    registry.store.client.delete_registered_model_alias(registry.name, CHAMPION)
    assert watch(4, lambda run: run == 1 and registry.set_alias(CHAMPION, 1)) == [False, True]
    entries = Ledger(registry.store, registry.name).read().entries()
    assert [(entry.kind, entry.to_version) for entry in entries] == [
        ("promoted", 1), ("external", None), ("promoted", 1),
    ]  # fmt: skip


def test_an_mlflow_that_is_away_is_one_line_when_it_goes_and_one_when_it_is_back(
    watch: Watch, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(Looks):
        def wait(self, timeout: float | None = None) -> bool:
            ended = super().wait(timeout)
            if self.left in (3, 2, 1):
                monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
            else:
                monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
            return ended

    flows.reconcile.watch_until(Away(5))
    away, back = (record.getMessage() for record in caplog.records)
    assert away.startswith("the watch over MLflow's page: MLflow at http://127.0.0.1:9 does not answer")
    assert back.startswith("the watch over MLflow's page: back after")
