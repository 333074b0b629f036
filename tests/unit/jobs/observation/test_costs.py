"""What a project has cost, from outside: `ganlib costs`, the registry and cards, over real runs and a real batch."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ganlib.config import Params, load
from ganlib.core import accounts
from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.generation.batch import card as cards
from ganlib.generation.storage import locate
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.observation.costs import CostTable, cost_table
from ganlib.jobs.promotion.download import download_with_card
from ganlib.registry.registry import Registry
from ganlib.tracking.history import cost_of
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.reports import Recorder
from tests.unit.cli.test_cli import ganlib, refused


def this_month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")


START = this_month()
PRICES = ("costs.cpu_hour=36", "costs.currency=USD")  # a cent for each second of a processor


def priced(project: Project) -> Params:
    return load(project.params_file, PRICES)


def by_group(table: CostTable) -> dict[str, Any]:
    assert {row.month for row in table.rows} <= {START, this_month()}
    return {row.group: row for row in table.rows}


def test_runs_and_batches_are_added_up_by_family_version_and_user(made: Project, params: Params) -> None:
    rows = by_group(cost_table(made, params))
    assert set(rows) == {"dcgan"}
    assert (rows["dcgan"].runs, rows["dcgan"].batches, rows["dcgan"].images) == (2, 1, 3)
    rows = by_group(cost_table(made, params, by="version"))
    assert {name: (row.runs, row.batches) for name, row in rows.items()} == {
        "mnist-generator 1": (1, 1),
        "mnist-generator 2": (1, 0),
    }
    assert all(row.cost.cpu_seconds > 0 for row in rows.values())
    assert set(by_group(cost_table(made, params, by="user"))) == {accounts.user()}


def test_amounts_are_by_todays_prices_where_there_were_none(made: Project, params: Params) -> None:
    assert cost_table(made, params).total.money is None
    table = cost_table(made, priced(made))
    assert table.currency == "USD"
    assert table.total.money == pytest.approx(table.total.cpu_seconds / 100)


def test_what_a_run_cost_is_settled_when_it_ends(tmp_path: Path, empty_database: Path) -> None:
    project = factories.project(tmp_path / "project", empty_database)
    store = connect(project)
    factories.graph(project.root / "1.onnx")
    params = priced(project)
    version = factories.registered(store, project.root / "1.onnx")
    request = GenerateRequest(out=str(project.root / "images"), count=3)
    made = generate(project, params, version.uri, request)
    assert made.cost.money == pytest.approx(made.cost.cpu_seconds / 100)
    dearer = load(project.params_file, ["costs.cpu_hour=72", "costs.currency=USD"])
    batch = by_group(cost_table(project, dearer, by="version"))["mnist-generator 1"]
    training = cost_of(store, version.run_id, dearer.costs)
    assert training
    assert training.money == pytest.approx(training.cpu_seconds / 50)  # it ended when there were no prices
    assert batch.cost.money == pytest.approx(made.cost.cpu_seconds / 100 + training.cpu_seconds / 50)


def test_a_batch_is_the_same_whatever_it_cost(made: Project, tmp_path: Path) -> None:
    request = GenerateRequest(out=str(tmp_path / "again"), count=3, seed=5)
    again = generate(made, priced(made), "champion", request)
    assert again.manifest.digest == json.loads((made.root / "images/manifest.json").read_text())["digest"]
    assert sha256_file(tmp_path / "again/manifest.json") == sha256_file(made.root / "images/manifest.json")
    ours, theirs = (cards.read(locate(str(folder))) for folder in (tmp_path / "again", made.root / "images"))
    assert ours
    assert theirs
    assert (ours.runs[0].currency, theirs.runs[0].currency) == ("USD", None)
    assert ours.runs[0].cost == again.cost
    assert f"took {again.cost.text('USD')}." in (tmp_path / "again/README.md").read_text()


def test_a_batch_is_of_the_user_who_is_logged_in_as_a_training_is(
    made: Project, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    generate(made, params, "champion", GenerateRequest(out=str(tmp_path / "out"), count=1))
    store = connect(made)
    (run,) = store.client.search_runs([store.named_experiment("mnist-generator batches")], "tags.mlflow.user = 'ada'")
    try:
        assert by_group(cost_table(made, params, by="user"))["ada"].batches == 1
    finally:
        store.client.delete_run(run.info.run_id)


def test_what_was_there_already_costs_nothing_and_is_not_counted(made: Project, params: Params) -> None:
    before = cost_table(made, params).total
    request = GenerateRequest(out=str(made.root / "images"), count=3, seed=5)
    assert generate(made, params, "champion", request).cost.cpu_seconds == 0
    assert cost_table(made, params).total == before


def test_images_are_made_although_mlflow_takes_no_run_of_it(
    made: Project, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(project: Project) -> MlflowStore:
        raise Unavailable("MLflow does not answer.")

    monkeypatch.setattr("ganlib.jobs.images.call.connect", away)
    report = Recorder()
    generate(made, params, "champion", GenerateRequest(out=str(tmp_path / "out"), count=1), report=report)
    assert (tmp_path / "out/card.json").is_file()
    assert any("in its card alone, not in MLflow" in str(event.facts) for event in report.events)


def test_the_card_that_travels_with_a_graph_says_what_it_took(made: Project, tmp_path: Path) -> None:
    params, store = priced(made), connect(made)
    download_with_card(made, params, "1", tmp_path / "card")
    cost = cost_of(store, Registry(store, "mnist-generator").get(1).run_id, params.costs)
    assert cost
    assert f"| training and evaluation took | {cost.text('USD')} |" in (tmp_path / "card/README.md").read_text()


def test_runs_from_before_are_told_and_no_costs_of_other_months(made: Project, params: Params) -> None:
    store = connect(made)
    old = store.client.create_run(store.named_experiment("old"), tags={"ganlib.family": "vae"})
    store.client.set_terminated(old.info.run_id)
    try:
        assert cost_table(made, params).earlier_runs == 1
        assert "1 runs are from before" in cost_table(made, params).summary()
        assert cost_table(made, params, month="1999-12").summary() == "nothing was measured yet"
    finally:
        store.client.delete_run(old.info.run_id)


@pytest.mark.parametrize("month", ["2026", "2026-13", "november", "2026-1"])
def test_what_is_no_month_is_refused(made: Project, params: Params, month: str) -> None:
    with pytest.raises(BadInput, match=f"--month {month}: a month is written as in 2026-11"):
        cost_table(made, params, month=month)


def test_the_verb_prints_a_table_json_and_csv(made: Project, params: Params) -> None:
    last = cost_table(made, params).rows[-1].month
    words = ["costs", "--by", "version", "--month", last, *(f"--set={price}" for price in PRICES)]
    table = ganlib(*words, cwd=made.root)
    assert table.returncode == 0, table.stderr
    head, *rows = table.stdout.splitlines()
    assert head.split()[-1] == "USD"
    assert rows[-1].startswith("total") or rows[-2].startswith("total")
    found = json.loads(ganlib(*words, "--json", cwd=made.root).stdout)
    lines = list(csv.DictReader(io.StringIO(ganlib(*words, "--csv", cwd=made.root).stdout)))
    assert [line["version"] for line in lines] == [row["group"] for row in found["rows"]]
    assert [float(line["money"]) for line in lines] == [row["cost"]["money"] for row in found["rows"]]


def test_two_forms_at_once_are_refused(made: Project) -> None:
    assert "choose one" in refused(ganlib("costs", "--csv", "--json", cwd=made.root))


def test_registry_show_says_what_a_version_cost(made: Project) -> None:
    shown = ganlib("registry", "show", "1", cwd=made.root).stdout.splitlines()
    assert shown[-1].startswith("cost: ")
    assert shown[-1].endswith("CPU s")
    content = json.loads(ganlib("registry", "show", "1", "--json", cwd=made.root).stdout)
    assert content["cost"]["cpu_seconds"] > 0
    assert content["cost"]["money"] is None
