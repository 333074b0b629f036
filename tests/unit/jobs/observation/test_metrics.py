"""What Prometheus is told of a project with real versions, decisions and a batch."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from ganlib.config import Params, ServicesConfig, load
from ganlib.core.project import Project
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.observation import metrics, prefect
from ganlib.jobs.observation.exposition import text
from ganlib.jobs.observation.metrics import ProjectMetrics
from ganlib.jobs.promotion.promote import promote
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.notice import receiver_key
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.conftest import ROOT
from tests.support.clock import set_clock
from tests.support.prometheus import declared, promtool, sample, samples

NAME = "mnist-generator"


@pytest.fixture(scope="module")
def project(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Version 1 is champion, 2 was refused, 3 was not decided upon; one run failed, and one is at work."""
    project = factories.project(tmp_path_factory.mktemp("observed") / "project", empty_database)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("PREFECT_API_URL", raising=False)
        store, params = connect(project), load(project.params_file)
        factories.graph(project.root / "1.onnx")
        factories.registered(store, project.root / "1.onnx", 20)
        assert promote(project, params, "1").promoted
        for number, fid in ((2, 90), (3, 10)):
            factories.bare_version(store, number, fid)
        assert not promote(project, params, "2").promoted
        experiment = store.named_experiment("tests")
        for cause, status in (("data, schedule", "FAILED"), ("", "")):
            tags = {"ganlib.family": "vae", **({"cause": cause} if cause else {})}
            run = store.client.create_run(experiment, tags=tags)
            if status:
                store.client.set_terminated(run.info.run_id, status)
        yield project


@pytest.fixture(scope="module")
def told(project: Project) -> str:
    return text(project, load(project.params_file))


def test_the_champion_its_age_and_its_fid_with_both_ends(project: Project, told: str) -> None:
    champion = Registry(connect(project), NAME).get(1)
    assert sample(told, "ganlib_champion_version", model=NAME) == 1
    labels = {"model": NAME, "version": "1", "family": "dcgan", "sha256": champion.sha256 or ""}
    assert sample(told, "ganlib_champion_info", **labels) == 1
    assert [sample(told, "ganlib_champion_fid", model=NAME, bound=b) for b in ("low", "value", "high")] == [
        19.5,
        20,
        20.5,
    ]
    assert 0 < time.time() - sample(told, "ganlib_champion_since_timestamp_seconds", model=NAME) < 3600
    assert sample(told, "ganlib_champion_differs", model=NAME) == 0


def test_what_the_gate_said_by_decision_version_and_check(told: str) -> None:
    kinds = {
        kind: sample(told, "ganlib_ledger_entries_total", model=NAME, kind=kind) for kind in ("promoted", "refused")
    }
    assert kinds == {"promoted": 1, "refused": 1}
    assert sample(told, "ganlib_ledger_entries_total", model=NAME, kind="rolled-back") == 0, "there before it happens"
    gates = ("passed", "refused", "awaiting", "undecided")
    assert [sample(told, "ganlib_versions", model=NAME, gate=gate) for gate in gates] == [1, 1, 0, 1]
    failures = {
        dict(labels)["check"]: value
        for (name, labels), value in samples(told).items()
        if name == "ganlib_gate_checks" and ("verdict", "failed") in labels and value
    }
    assert failures == {"better": 1}


def test_runs_by_family_status_and_cause(told: str) -> None:
    assert sample(told, "ganlib_runs_total", family="dcgan", status="finished", cause="none") == 1
    assert sample(told, "ganlib_runs_total", family="vae", status="failed", cause="data, schedule") == 1
    assert sample(told, "ganlib_runs_running", family="vae") == 1
    assert sample(told, "ganlib_cost_cpu_seconds_total", work="run") > 0
    assert 0 < time.time() - sample(told, "ganlib_last_success_timestamp_seconds", work="run") < 3600


def test_counters_are_there_before_the_first_batch_and_grow_with_each(project: Project, tmp_path: Path) -> None:
    params = load(project.params_file)
    before = text(project, params)
    names = ("ganlib_batches_total", "ganlib_batch_images_total", "ganlib_batch_drifts_total")
    assert [sample(before, name, model=NAME) for name in names] == [0, 0, 0]
    generate(project, params, "champion", GenerateRequest(out=str(tmp_path / "out"), count=3, check=False))
    after = text(project, params)
    assert [sample(after, name, model=NAME) for name in names] == [1, 3, 0]
    assert sample(after, "ganlib_cost_cpu_seconds_total", work="batch") > 0
    assert samples(after).keys() > samples(before).keys()


def test_an_alias_that_was_moved_by_hand_is_seen(project: Project) -> None:
    registry, params = Registry(connect(project), NAME), load(project.params_file)
    registry.set_alias(CHAMPION, 2)
    try:
        moved = text(project, params)
    finally:
        registry.set_alias(CHAMPION, 1)
    assert sample(moved, "ganlib_champion_differs", model=NAME) == 1
    assert sample(moved, "ganlib_champion_version", model=NAME) == 2


def test_notices_that_a_webhook_has_not_taken(project: Project) -> None:
    url = "https://example.org/hook"
    params = load(project.params_file, [f"services.webhook={url}"])
    assert sample(text(project, params), "ganlib_notices_unsent", model=NAME, receiver="webhook") == 2
    Ledger(connect(project), NAME).commit_offset(receiver_key(url), 1)
    assert sample(text(project, params), "ganlib_notices_unsent", model=NAME, receiver="webhook") == 1


def test_a_server_that_is_away_is_told_and_hides_nothing_of_the_other(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    shown = text(project, load(project.params_file))
    assert sample(shown, "ganlib_service_up", service="prefect") == 0
    assert sample(shown, "ganlib_service_up", service="mlflow") == 1
    assert sample(shown, "ganlib_champion_version", model=NAME) == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    shown = text(project, load(project.params_file))
    assert sample(shown, "ganlib_service_up", service="mlflow") == 0
    assert not [name for name, _ in samples(shown) if name.startswith("ganlib_champion")]


def test_all_runs_are_read_once_a_minute_and_decisions_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, now = [], [1000.0]
    every, decision = metrics.history.every, Registry.decision

    def counting(store: MlflowStore) -> object:
        reads.append("runs")
        return every(store)

    def reading(registry: Registry, number: int) -> str | None:
        reads.append("decision")
        return decision(registry, number)

    monkeypatch.setattr("ganlib.jobs.observation.metrics.history.every", counting)
    monkeypatch.setattr(Registry, "decision", reading)
    set_clock(monkeypatch, metrics, monotonic=lambda: now[0])
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ProjectMetrics(project, load(project.params_file)))
    for seconds in (0, 30, 31):
        now[0] += seconds
        generate_latest(registry)
    assert sorted(reads) == ["decision", "decision", "runs", "runs"]


def test_names_are_as_prometheus_has_them(told: str) -> None:
    assert all(name.startswith("ganlib_") for name in declared(told))
    assert not [name for name, _ in samples(told) if name.endswith("_total_total")]
    checked = promtool("check", "metrics", text=told)
    if checked is None:
        pytest.skip("no promtool: apt-get install prometheus")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


COUNTS = prefect.FlowRunCounts(
    waiting={("retrain", "late"): 2},
    outcomes={("retrain", "failed"): 3},
    retrainings={("data+schedule", "completed"): 4},
    successes={"retrain": 1.5},
)


def test_what_prefect_knows(project: Project, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr("ganlib.jobs.observation.metrics.prefect.counts", lambda server: COUNTS)
    shown = text(project, params)
    assert sample(shown, "ganlib_flow_runs", flow="retrain", state="late") == 2
    assert sample(shown, "ganlib_flow_runs_finished_total", flow="retrain", outcome="failed") == 3
    assert sample(shown, "ganlib_retrainings_total", cause="data+schedule", outcome="completed") == 4
    assert sample(shown, "ganlib_flow_last_success_timestamp_seconds", flow="retrain") == 1.5


DASHBOARD, RULES = ROOT / "deploy/grafana/ganlib.json", ROOT / "deploy/prometheus/ganlib-rules.yml"


def queries() -> Iterator[tuple[str, str]]:
    """Each query of the dashboard and of the alerts, with where it stands."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["definition"]
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def test_dashboard_and_alerts_ask_for_what_there_is(
    project: Project, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr("ganlib.jobs.observation.metrics.prefect.counts", lambda server: COUNTS)
    params = params.model_copy(update={"services": ServicesConfig(webhook="https://example.org/hook")})
    shown = text(project, params)
    labels: dict[str, set[str]] = {name: set() for name in declared(shown)}
    for name, pairs in samples(shown):
        labels[name] |= {label for label, _ in pairs}
    used = set()
    for title, query in queries():
        names = re.findall(r"\bganlib_\w+", query)
        assert names, (title, query)
        used |= set(names)
        assert set(names) <= labels.keys(), (title, query)
        known = set().union(*(labels[name] for name in names))
        by = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
        assert by | set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!=|!~|=)", query)) <= known, (title, query)
    assert labels.keys() - used == {"ganlib_cost_wall_seconds_total"}, "what nobody looks at"


def test_a_dashboard_says_what_each_line_is_and_no_panel_lies_on_another() -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) == 23
    known = {"model", "version", "family", "flow", "state", "outcome", "cause", "kind", "check", "gate", "status"}
    known |= {"work", "currency", "service", "bound"}
    legends = [target["legendFormat"] for panel in panels for target in panel.get("targets", ())]
    assert {label for legend in legends for label in re.findall(r"\{\{(\w+)\}\}", legend)} <= known


def test_alerts_as_promtool_reads_them() -> None:
    checked = promtool("check", "rules", str(RULES))
    if checked is None:
        pytest.skip("no promtool: apt-get install prometheus")
    assert checked.returncode == 0, checked.stderr
    tried = promtool("test", "rules", str(ROOT / "tests/fixtures/ganlib-rules-test.yml"))
    assert tried
    assert tried.returncode == 0, tried.stdout + tried.stderr


@pytest.fixture
def params(project: Project) -> Params:
    return load(project.params_file)
