"""A schedule that nobody kept, and drift: a receiver hears of each once, whoever looks.

Runs that failed are in tests/services/test_notices.py, with a real Prefect.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ganlib.jobs.triggers import alarm as alarms
from ganlib.jobs.triggers.alarm import DRIFT, LATE, tell, tell_failures
from ganlib.jobs.triggers.plan import plan
from ganlib.jobs.triggers.situation import Cause, Situation
from ganlib.registry import notice
from ganlib.registry.notice import Webhook
from ganlib.registry.registry import Registry
from tests.support.receiver import Receiver
from tests.unit.jobs.triggers.conftest import at, settings

YEARLY = {"retrain_schedule": "0 3 1 1 *"}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """One that takes everything, and a secret to sign with."""
    monkeypatch.setenv(notice.SECRET, notice.new_secret())
    here = Receiver()
    yield here
    here.close()


def webhook(receiver: Receiver) -> Webhook:
    return Webhook(f"http://127.0.0.1:{receiver.port}/")


def bodies(receiver: Receiver) -> list[dict[str, str]]:
    told = [json.loads(content) for _, content in receiver.messages]
    return [{"type": each["type"], **each["data"]} for each in told]


def test_a_retraining_that_is_late_is_told_once_for_each_time(champion: Registry, receiver: Receiver) -> None:
    params = settings(["schedule"], YEARLY)

    def late(days: float) -> str | None:
        state = at(champion.store, params, days=days)
        (message,) = alarms.alarms(state, plan(champion.store.project, params, state=state))
        return tell(state, message, webhook(receiver))

    receiver.refuses_from = 1
    assert late(400) == "HTTP 503"
    receiver.refuses_from = 0
    assert [late(days) for days in (400, 401, 800)] == [None, None, None]
    told = bodies(receiver)
    assert [each["type"] for each in told] == [LATE] * 2
    assert all(" was not begun within " in each["reason"] for each in told)


def test_what_is_not_due_is_not_late(champion: Registry) -> None:
    params = settings(["data"], YEARLY)
    state = at(champion.store, params, days=400)
    assert list(alarms.alarms(state, plan(champion.store.project, params, state=state))) == []


def test_drift_is_told_once_for_a_champion_also_where_nothing_is_retrained_for_it(
    champion: Registry, receiver: Receiver
) -> None:
    params = settings(["drift"], {})
    state = at(champion.store, params, days=1)
    ahead = plan(champion.store.project, params, state=state)

    def drift(state: Situation, words: str) -> str | None:
        causes = (Cause(name="drift", reason=words),)
        messages = list(alarms.alarms(state, ahead.model_copy(update={"causes": causes, "why_not": "done"})))
        return tell(state, messages[0], webhook(receiver))

    assert drift(state, "batch out/1 drifts") is None
    assert drift(at(champion.store, params, days=2), "batches out/1 and out/2 drift") is None
    assert bodies(receiver) == [{"type": DRIFT, "model": champion.name, "reason": "batch out/1 drifts"}]


def test_without_prefect_no_run_has_failed(
    champion: Registry, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    state = at(champion.store, settings(["data"], {}))
    assert tell_failures(state, webhook(receiver)) is None
    assert receiver.messages == []
