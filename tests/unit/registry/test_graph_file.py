"""A champion whose logged model or experiment is deleted in MLflow: told before gc, restored, and no orphan."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner as ClickRunner
from mlflow.cli import gc
from typer.testing import CliRunner

from ganlib.cli import app
from ganlib.config import GateConfig, RegistryConfig
from ganlib.core.project import Project
from ganlib.jobs.doctor import services
from ganlib.jobs.doctor.finding import HealthContext, HealthFinding
from ganlib.registry.gate import decide
from ganlib.registry.graph_file import file_risk
from ganlib.registry.promote import promote
from ganlib.registry.prune import prune
from ganlib.registry.reconcile import Reconciliation, pending, reconcile
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.support import graphs as small

NAME, POLICY = "mnist-generator", GateConfig()


@pytest.fixture(scope="module")
def template(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A champion with a real file; copied for each test."""
    project = factories.project(tmp_path_factory.mktemp("template") / "project", empty_database)
    small.write(project.root / "g.onnx")
    store = connect(project)
    factories.registered(store, project.root / "g.onnx")
    registry = Registry(store, NAME)
    assert promote(registry, registry.get(1), policy=POLICY, state=project.state).promoted
    return project


@pytest.fixture
def registry(template: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    project = Project(Path(shutil.copytree(template.root, tmp_path / "copy")))
    monkeypatch.chdir(project.root)
    return Registry(connect(project), NAME)


def delete_model(registry: Registry) -> None:
    registry.store.client.delete_logged_model(registry.model_of(1).removeprefix("models:/"))


def delete_experiment(registry: Registry) -> None:
    model = registry.store.client.get_logged_model(registry.model_of(1).removeprefix("models:/"))
    registry.store.client.delete_experiment(model.experiment_id)


def delete_file(registry: Registry) -> None:
    shutil.rmtree(registry.store.project.root / "mlruns" / "models")


def look(registry: Registry) -> Reconciliation:
    return reconcile(
        registry,
        gate=lambda challenger, champion, number: decide(challenger, champion, POLICY, number),
        rules=RegistryConfig(),
        state=registry.store.project.state,
    )


def doctor(registry: Registry, *, fix: bool = False) -> HealthFinding:
    found = services.mlflow(HealthContext(registry.store.project, fix=fix))
    return next(each for each in found if each.subject == "champion")


def collect(registry: Registry) -> None:
    """MLflow's own gc."""
    store = registry.store
    done = ClickRunner().invoke(
        gc, ["--backend-store-uri", store.uri], env={"MLFLOW_TRACKING_URI": store.uri}, catch_exceptions=False
    )
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("act", "words"),
    [(delete_model, "the logged model of version 1"), (delete_experiment, "the experiment of version 1")],
)
def test_what_is_in_the_trash_is_told_with_its_cure_and_taken_out(
    registry: Registry, act: Callable[[Registry], None], words: str
) -> None:
    assert file_risk(registry, 1) is None
    assert pending(registry) is None
    act(registry)
    done = look(registry)
    assert not done.ok
    assert words in done.summary()
    assert "gc" in done.summary()
    assert "ganlib doctor --fix" in done.summary()
    assert pending(registry) == pending(registry) != None  # noqa: E711  (the watch runs the flow, once)
    verified = CliRunner().invoke(app, ["registry", "verify"], catch_exceptions=False)
    assert (verified.exit_code, words in verified.stdout) == (1, True)
    assert doctor(registry).state == "problem"
    assert doctor(registry, fix=True).cured
    assert doctor(registry).state == "ok"
    collect(registry)
    assert look(registry).summary() == "ledger and aliases agree"
    out = registry.store.project.root / "out.onnx"
    assert registry.download(registry.get(1), out).read_bytes() == (out.parent / "g.onnx").read_bytes()


def test_a_file_that_is_gone_is_told_and_doctor_cannot_bring_it_back(registry: Registry) -> None:
    delete_model(registry)
    collect(registry)
    done = look(registry)
    assert not done.ok
    assert "has no file any more" in done.summary()
    assert "ganlib rollback" in done.summary()
    found = doctor(registry, fix=True)
    assert (found.state, found.cured) == ("problem", False)


def test_a_version_whose_experiment_is_gone_is_no_orphan(registry: Registry) -> None:
    delete_experiment(registry)
    collect(registry)
    state = registry.store.project.state
    report = prune(registry, uses={}, test_versions=(), keep=5, state=state, dry_run=True)
    graph = next((state.parent / "mlruns" / "models").rglob("model.onnx"))
    assert [each.path for each in report.orphans if graph.is_relative_to(each.path)] == []
