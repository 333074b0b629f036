"""The webhook of `make up`; blocks of a real Prefect are in tests/services/test_notices.py."""

from __future__ import annotations

import pytest

from ganlib.config import GateConfig, load
from ganlib.registry import notice
from ganlib.registry.promote import promote
from ganlib.registry.registry import Registry
from ganlib.tracking.store import MlflowStore
from pipelines.notices import NoticeWatch
from tests import factories
from tests.conftest import ROOT
from tests.support.receiver import Receiver


def test_a_webhook_that_is_away_is_one_line_when_it_goes_and_one_when_it_is_back(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(notice.SECRET, notice.new_secret())
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    receiver, lines = Receiver(), list[str]()
    params = load(ROOT / "params.yaml", [f"services.webhook=http://127.0.0.1:{receiver.port}/"])
    registry = Registry(store, params.registry.model)
    factories.bare_version(store, 1, 10)
    assert promote(registry, registry.get(1), policy=GateConfig(), state=store.project.state).promoted
    watch = NoticeWatch(store.project, lines.append)
    receiver.refuses_from = 1
    for _ in range(3):
        watch.look(params)
    assert lines == ["notices to webhook: HTTP 503"]
    receiver.refuses_from = 0
    for _ in range(2):
        watch.look(params)
    receiver.close()
    assert len(receiver.messages) == 1
    assert [line.partition(" after ")[0] for line in lines[1:]] == ["notices to webhook: back"]
    monkeypatch.delenv(notice.SECRET)
    watch.look(params)
    assert "there is no secret to sign with" in lines[-1]
    assert watch.look(load(ROOT / "params.yaml")) is None
