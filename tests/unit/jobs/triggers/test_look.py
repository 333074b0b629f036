"""Each cause by itself, over a real registry."""

from __future__ import annotations

import pytest

from ganlib.config import GateConfig
from ganlib.core.errors import BadInput
from ganlib.jobs.triggers.look import look, parse
from ganlib.registry.promote import promote, rollback
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import MlflowStore
from tests import factories
from tests.unit.jobs.triggers.conftest import at, pin, settings

ALL = ["schedule", "data", "images", "age", "drift", "registry"]


def names(store: MlflowStore, *, days: float = 0, **options: object) -> dict[str, str]:
    params = settings(ALL, **options)  # type: ignore[arg-type]
    return {cause.name: cause.reason for cause in look(at(store, params, days=days))}


def test_what_was_never_trained_has_no_cause(store: MlflowStore) -> None:
    pin(store, "e" * 32 + ".dir")
    assert names(store, days=400, services={"retrain_schedule": "0 3 * * 1"}, max_age_days=1) == {}


def test_each_cause_is_seen_when_it_is_there_and_only_then(champion: Registry) -> None:
    store = champion.store
    assert names(store, services={"retrain_schedule": "0 3 1 1 *"}, max_age_days=30) == {}
    found = names(store, days=8, services={"retrain_schedule": "0 3 * * 1"})
    assert found.keys() == {"schedule"}
    assert found["schedule"].startswith("due since ")
    assert names(store, days=31, max_age_days=30) == {"age": "champion 1 is 31.0 days old, more than 30"}
    pin(store, "e" * 32 + ".dir")
    reason = "no version was trained on data version eeeeeeeeeeee; version 1 was on dddddddddddd"
    assert names(store) == {"data": reason}


def test_a_champion_that_was_taken_back_is_one_until_another_is_registered(champion: Registry) -> None:
    store, state = champion.store, champion.store.project.state
    factories.bare_version(store, 2, 5)
    store.client.set_model_version_tag(champion.name, "2", "data_version", champion.get(1).data_version)
    assert promote(champion, champion.get(2), policy=GateConfig(), state=state).promoted
    assert names(store) == {}
    rollback(champion, state=state, reason="threes look like eights")
    assert names(store) == {"registry": "version 2 was taken back (entry 3: threes look like eights)"}


def test_a_champion_whose_version_was_deleted_is_one(champion: Registry) -> None:
    factories.bare_version(champion.store, 2, 50)
    champion.store.client.delete_registered_model_alias(champion.name, CHAMPION)
    champion.store.client.delete_model_version(champion.name, "1")
    assert names(champion.store)["registry"].startswith("there is no champion any more (entry 1: ")


def test_causes_that_do_not_count_are_not_looked_at_and_those_from_outside_always_count(champion: Registry) -> None:
    pin(champion.store, "e" * 32 + ".dir")
    state = at(champion.store, settings(["age"]))
    assert look(state) == ()
    assert [str(cause) for cause in look(state, parse(["drift: 3 of 10 batches", "schedule"]))] == [
        "schedule: said by whoever started it", "drift: 3 of 10 batches",
    ]  # fmt: skip


def test_an_unknown_cause_is_one_line() -> None:
    with pytest.raises(BadInput, match=r"unknown cause 'drfit'\. Did you mean 'drift'\? Known: age, data, drift"):
        parse(["data", "drfit"])
