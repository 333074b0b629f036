"""A schedule that nobody kept: the webhook hears of each time once, whoever looks."""

from __future__ import annotations

import json

import pytest

from ganlib.jobs.triggers.alarm import alarm, send
from ganlib.jobs.triggers.plan import plan
from ganlib.registry import notice
from ganlib.registry.registry import Registry
from tests.support.receiver import Receiver
from tests.unit.jobs.triggers.conftest import at, settings


def test_a_retraining_that_is_late_is_told_once_for_each_time(
    champion: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(notice.SECRET, notice.new_secret())
    receiver = Receiver()
    services = {"retrain_schedule": "0 3 1 1 *", "webhook": f"http://127.0.0.1:{receiver.port}/"}
    params = settings(["schedule"], services)

    def tell(days: float) -> str | None:
        state = at(champion.store, params, days=days)
        words = alarm(state, plan(champion.store.project, params, state=state))
        assert words
        return send(state, words)

    receiver.refuses_from = 1
    assert tell(400) == "HTTP 503"
    receiver.refuses_from = 0
    assert [tell(days) for days in (400, 401, 800)] == [None, None, None]
    receiver.close()
    bodies = [json.loads(content) for _, content in receiver.messages]
    assert [body["type"] for body in bodies] == ["retraining.late"] * 2
    assert all(" was not begun within " in body["data"]["reason"] for body in bodies)


def test_what_is_not_due_is_not_late(champion: Registry) -> None:
    params = settings(["data"], {"retrain_schedule": "0 3 1 1 *"})
    state = at(champion.store, params, days=400)
    assert alarm(state, plan(champion.store.project, params, state=state)) is None
