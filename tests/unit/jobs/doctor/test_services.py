"""What the doctor says of data, registry and servers that are really damaged, away or wrong."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ganlib.core.processes import identity
from ganlib.core.project import Project
from ganlib.jobs.data.version_data import version_data
from ganlib.jobs.doctor import services
from ganlib.jobs.doctor.finding import HealthCheck, HealthContext, HealthFinding
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.runs import HEARTBEAT_TAG, PROCESS_TAG
from ganlib.tracking.store import connect
from tests import factories
from tests.unit.data.builders import dvc_project, flip, idx_files, write_files


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return factories.project(tmp_path / "project", factories.empty_database())


def findings(look: HealthCheck, project: Project, *, fix: bool = False) -> dict[str, HealthFinding]:
    return {each.subject: each for each in look(HealthContext(project, fix=fix))}


def test_a_key_that_is_wrong_is_named(project: Project) -> None:
    assert findings(services.configuration, project)["params.yaml"].state == "ok"
    project.params_file.write_text(project.params_file.read_text().replace("budget: standard", "budgte: standard"))
    assert "budgte" in findings(services.configuration, project)["params.yaml"].words


def test_damaged_data_are_told_and_brought_back_if_asked(tmp_path: Path) -> None:
    project = dvc_project(tmp_path / "project")
    version_data(project, source=write_files(project.root / "own", idx_files(600, 100)))
    assert findings(services.data, project)["data"].state == "ok"
    flip(next(project.prepared.glob("*images*")))
    assert findings(services.data, project)["data"].cure == "ganlib data version"
    found = findings(services.data, project, fix=True)["data"]
    assert (found.state, found.cured) == ("problem", True)
    assert findings(services.data, project)["data"].state == "ok"


def test_where_nothing_is_yet_nothing_is_made(tmp_path: Path) -> None:
    project = factories.project(tmp_path / "project")
    assert findings(services.mlflow, project)["MLflow"].state == "ok"
    assert not (project.root / "mlflow.db").exists()


def test_a_server_that_is_away_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert "does not answer" in findings(services.mlflow, project)["MLflow"].words
    assert "does not answer" in findings(services.prefect, project)["Prefect"].words


def test_a_killed_run_is_told_and_ended_if_asked(project: Project) -> None:
    store = connect(project)
    experiment = store.experiment("tests")
    dead = identity()._replace(pid=2**22 - 1)
    tags = {PROCESS_TAG: json.dumps(dead._asdict()), HEARTBEAT_TAG: "1"}
    run = store.client.create_run(experiment, tags=tags).info.run_id
    found = findings(services.mlflow, project)["runs"]
    assert (found.state, run[:12] in found.words) == ("problem", True)
    assert store.client.get_run(run).info.status == "RUNNING"
    assert findings(services.mlflow, project, fix=True)["runs"].cured
    assert store.client.get_run(run).info.status == "KILLED"
    assert findings(services.mlflow, project)["runs"].state == "ok"


def test_a_champion_without_its_file_is_told_before_somebody_asks_for_it(project: Project, tmp_path: Path) -> None:
    assert "has none yet" in findings(services.mlflow, project)["champion"].words
    store = connect(project)
    factories.graph(tmp_path / "g.onnx")
    version = factories.registered(store, tmp_path / "g.onnx")
    Registry(store, version.name).set_alias(CHAMPION, version.version)
    assert "its file is there" in findings(services.mlflow, project)["champion"].words
    shutil.rmtree(project.root / "mlruns")
    found = findings(services.mlflow, project)["champion"]
    assert (found.state, "rollback" in str(found.cure)) == ("problem", True)


@pytest.fixture
def site() -> Iterator[ThreadingHTTPServer]:
    """A server whose answer and clock tests set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(site.status)  # type: ignore[attr-defined]
            self.send_header("Date", formatdate(site.now, usegmt=True))  # type: ignore[attr-defined]
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        site.status, site.now = 200, None  # type: ignore[attr-defined]
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site
        site.shutdown()


def test_prefect_is_asked_and_its_clock_compared(
    project: Project, site: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert "no server" in findings(services.prefect, project)["Prefect"].words
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{site.server_port}/api")
    assert findings(services.prefect, project).keys() == {"Prefect", "Prefect's runs"}
    site.now = 1.0  # type: ignore[attr-defined]
    assert findings(services.prefect, project)["Prefect's clock"].state == "problem"
    site.status = 500  # type: ignore[attr-defined]
    assert findings(services.prefect, project)["Prefect"].state == "problem"


def test_what_died_since_it_was_started_is_named(project: Project) -> None:
    assert findings(services.services, project) == {}
    dead = identity()._replace(pid=2**22 - 1)._asdict() | {"url": "http://127.0.0.1:9", "root": str(project.root)}
    project.state.mkdir(exist_ok=True)
    (project.state / "services.json").write_text(json.dumps({"mlflow": dead}))
    found = findings(services.services, project)["services"]
    assert (found.words, found.cure) == ("mlflow died since `make up`", "make up")
    (project.state / "services.json").write_text("[")
    assert findings(services.services, project) == {}
