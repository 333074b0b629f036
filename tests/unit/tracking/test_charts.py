"""Metrics are in groups of charts, and are read by their plain names, whoever wrote them."""

from __future__ import annotations

import csv

from ganlib.core.cost import Cost
from ganlib.tracking import charts, history
from ganlib.tracking.store import MlflowStore
from tests import factories
from tests.unit.tracking.conftest import Begin


def test_what_a_training_tells_is_in_groups_whatever_the_family_calls_it() -> None:
    told = {"elbo": 1.0, "my_own_term": 2.0, "gradient_norm_generator": 3.0, "images_per_second": 4.0}
    assert charts.of_training(told) == {
        "loss/elbo": 1.0,
        "loss/my_own_term": 2.0,
        "health/gradient_norm_generator": 3.0,
        "speed/images_per_second": 4.0,
    }


def test_floors_and_ends_of_intervals_are_in_the_table_and_are_no_charts() -> None:
    figures = factories.evaluation(12.5, 10.0).metrics()
    drawn = charts.of_evaluation(figures)
    assert drawn["quality/fid"] == 12.5
    assert drawn["classes/class_3_share"] == figures["class_3_share"]
    assert {name.partition("/")[0] for name in drawn} <= set(charts.GROUPS)
    assert not [name for name in drawn if "floor_" in name.partition("/")[2][:6] or name.endswith(("_low", "_high"))]
    rows = {row["figure"]: row for row in csv.DictReader(charts.table(figures).splitlines())}
    assert rows.keys() == {charts.plain(name) for name in drawn}
    wanted = [figures[name] for name in ("fid", "fid_low", "fid_high", "floor_fid", "floor_fid_low", "floor_fid_high")]
    assert [float(value) for name, value in rows["fid"].items() if name != "figure"] == wanted


def test_metrics_of_earlier_versions_and_of_today_are_read_by_the_same_names(store: MlflowStore, begin: Begin) -> None:
    read = []
    for names in (
        ["fid", "train_seconds", "held_out_kl"],
        ["quality/fid", "speed/train_seconds", "quality/held_out_kl"],
    ):
        with begin() as run:
            for step in (10, 20):
                run.log({name: float(step + at) for at, name in enumerate(names)}, step)
            run.log({"system/cpu": 1.0, "theirs/fid": 2.0}, 0)
        found = history.read(store, run.id)
        others = {*Cost.model_fields, *(name for name in found.metrics if name.startswith("system/"))}
        metrics = {name: value for name, value in found.metrics.items() if name not in others}
        curves = {name: history.curve(store, run.id, name) for name in ("fid", "train_seconds", "nothing")}
        read.append((metrics, curves, history.last_step(store, run.id, "train_seconds")))
        assert history.last_step(store, run.id, "nothing") is None
        assert found.metrics["system/cpu"] == 1.0
    assert read[0] == read[1]
    assert read[0][0] == {"fid": 20.0, "train_seconds": 21.0, "held_out_kl": 22.0, "theirs/fid": 2.0}
    assert read[0][1] == {"fid": {10: 10.0, 20: 20.0}, "train_seconds": {10: 11.0, 20: 21.0}, "nothing": {}}


def test_two_runs_of_the_same_kind_have_names_of_their_own(store: MlflowStore, begin: Begin) -> None:
    with begin() as one, begin() as other:
        pass
    names = [store.client.get_run(run.id).info.run_name for run in (one, other)]
    assert names == [f"test {run.id[:8]} data {factories.data_version().md5[:6]}" for run in (one, other)]
