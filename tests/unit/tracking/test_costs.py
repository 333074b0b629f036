"""What a run cost: while it goes on, after a kill, over a resumption, and with what was done on it later."""

from __future__ import annotations

import time
from functools import partial

import pytest

from ganlib.config import CostsConfig
from ganlib.core.cost import Cost
from ganlib.tracking import costs, runs
from ganlib.tracking.history import cost_of
from ganlib.tracking.outbox import Outbox
from ganlib.tracking.store import MlflowStore
from tests.unit.tracking.conftest import Begin

NONE = CostsConfig()
PRICES = CostsConfig(currency="USD", cpu_hour=3600, gpu_hour=7200, kwh=2)
"""A dollar a second, two for a GPU's, two a kilowatt hour."""


def logged(store: MlflowStore, run_id: str) -> dict[str, float]:
    return {
        name: value for name, value in store.client.get_run(run_id).data.metrics.items() if name.startswith("cost/")
    }


def test_a_run_has_what_it_cost_as_metrics_of_one_group(store: MlflowStore, begin: Begin) -> None:
    with begin() as run:
        pass
    found = logged(store, run.id)
    assert {"cost/wall_seconds", "cost/cpu_seconds", "cost/gpu_seconds"} <= found.keys()
    assert "cost/money" not in found
    cost = cost_of(store, run.id, NONE)
    assert cost
    assert (cost.wall_seconds, cost.money) == (found["cost/wall_seconds"], None)


def test_a_run_that_is_killed_leaves_what_it_had_cost(
    store: MlflowStore, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "Outbox", partial(Outbox, every=0.01, beat_every=0.0))
    run = begin()  # which is never told to end
    deadline = time.monotonic() + 300
    while not logged(store, run.id):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert logged(store, run.id)["cost/wall_seconds"] > 0
    with run:
        pass


def test_a_run_that_is_resumed_goes_on_from_what_it_cost(store: MlflowStore, begin: Begin) -> None:
    with pytest.raises(KeyboardInterrupt), begin() as run:
        raise KeyboardInterrupt
    runs.charge(store, run.id, Cost(wall_seconds=1000, cpu_seconds=2000, energy_joules=5), NONE)
    with begin(run.id):
        pass
    cost = cost_of(store, run.id, NONE)
    assert cost
    assert 1000 < cost.wall_seconds < 1900
    assert 2000 < cost.cpu_seconds < 2900
    assert cost.energy_joules is not None
    assert cost.energy_joules >= 5


def test_what_is_done_on_a_run_later_is_added(store: MlflowStore, begin: Begin) -> None:
    with begin() as run:
        pass
    before = cost_of(store, run.id, NONE)
    for _ in range(2):
        runs.charge(store, run.id, Cost(wall_seconds=10, cpu_seconds=20), NONE)
    after = cost_of(store, run.id, NONE)
    assert before
    assert after
    assert after.cpu_seconds == pytest.approx(before.cpu_seconds + 40)


def test_a_run_from_before_costs_were_measured_stays_without(store: MlflowStore) -> None:
    run_id = store.client.create_run(store.named_experiment("old")).info.run_id
    runs.charge(store, run_id, Cost(wall_seconds=10), PRICES)
    assert logged(store, run_id) == {}
    assert cost_of(store, run_id, PRICES) is None
    assert cost_of(store, "0" * 32, PRICES) is None
    assert cost_of(store, None, PRICES) is None


def test_amounts_are_by_what_was_measured() -> None:
    assert PRICES.price(Cost(cpu_seconds=2, gpu_seconds=3, energy_joules=3.6e6)) == pytest.approx(2 + 6 + 2)
    assert PRICES.price(Cost(cpu_seconds=2)) == 2
    assert NONE.price(Cost(cpu_seconds=2)) is None
    assert CostsConfig(kwh=0).price(Cost(cpu_seconds=2)) == 0


@pytest.mark.parametrize(("currency", "money"), [("USD", 7.0), ("EUR", 2.0), (None, 2.0)])
def test_an_amount_that_was_settled_stays_unless_it_is_in_another_currency(currency: str | None, money: float) -> None:
    tags = {} if currency is None else {costs.CURRENCY_TAG: currency}
    cost = costs.of_run({"cost/wall_seconds": 1, "cost/cpu_seconds": 2, "cost/money": 7}, tags, PRICES)
    assert cost
    assert cost.money == money
