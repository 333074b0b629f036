"""Which store is used, and what is said when it does not answer as it should."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.project import Project
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.registry.resolve import resolve_version
from ganlib.tracking.store import Absent, MlflowStore, connect
from tests import factories
from tests.support.strangers import stranger


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return factories.project(tmp_path / "project")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_closed_port_is_unavailable_in_ten_seconds_and_named(project: Project, patience: Callable[[], float]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=url):
        connect(project, url)
    assert 0 < patience() <= 10, "MLflow's own retries take minutes"


def test_a_server_that_accepts_and_never_answers_is_unavailable_in_ten_seconds_and_named(
    project: Project, patience: Callable[[], float]
) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(Unavailable, match=url):
            connect(project, url)
        assert 0 < patience() <= 10, "MLflow's own retries take minutes"


def test_a_file_that_is_no_database_is_told_and_stays(project: Project) -> None:
    (project.root / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(BadInput, match=r"mlflow\.db .*not a database.*Restore it"):
        connect(project)
    assert (project.root / "mlflow.db").read_bytes() == b"this is no database" * 100


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (500, b"boom"),
        (503, b"<html>starting</html>"),
        (502, b'{"detail": "bad gateway"}'),
        (404, b"<html>no such page</html>"),
        (404, b'{"detail": "Not Found"}'),
        (200, b"<html>a captive portal</html>"),
        (500, b'{"error_code": "INTERNAL_ERROR", "message": "database is gone"}'),
    ],
)
def test_a_server_in_trouble_is_never_taken_for_one_without_a_champion(
    project: Project, code: int, body: bytes
) -> None:
    with stranger(code, body) as url:
        registry = Registry(connect(project, url), "mnist-generator")
        with pytest.raises(Unavailable, match=url):
            registry.alias(CHAMPION)
        with pytest.raises(Unavailable, match=url):
            resolve_version(registry, "champion")


def test_only_mlflow_saying_so_means_that_there_is_no_champion(project: Project) -> None:
    with stranger(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such model"}') as url:
        assert Registry(connect(project, url), "mnist-generator").alias(CHAMPION) is None


def test_a_refusal_is_neither_absence_nor_an_outage(project: Project) -> None:
    with stranger(403, b'{"error_code": "PERMISSION_DENIED", "message": "not yours"}') as url:
        registry = Registry(connect(project, url), "mnist-generator")
        with pytest.raises(BadInput, match=r"refused \(403\).*not yours") as caught:
            registry.alias(CHAMPION)
        assert not isinstance(caught.value, Unavailable | Absent)


def test_the_store_is_the_argument_else_the_variable_else_the_server_that_runs_else_the_database(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = store.project
    assert store.uri == f"sqlite:///{project.root / 'mlflow.db'}"
    project.state.mkdir(exist_ok=True)
    served = f"http://127.0.0.1:{free_port()}"
    services, started = project.state / "services.json", psutil.Process().create_time()
    services.write_text(json.dumps({"mlflow": {"url": served, "pid": os.getpid(), "started": started}}))
    with pytest.raises(Unavailable, match=served):
        connect(project)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    assert connect(project).uri == other
    assert connect(project, store.uri).uri == store.uri
    assert os.environ["MLFLOW_TRACKING_URI"] == other
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    for gone in ({"pid": 2**22 + 1, "started": started}, {"pid": os.getpid(), "started": started - 60}):
        services.write_text(json.dumps({"mlflow": {"url": served, **gone}}))  # its number may be another's by now
        assert connect(project).uri == store.uri
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_the_teams_server_is_used_rather_than_ours_and_the_standard_variable_rather_than_both(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project, team = store.project, f"http://127.0.0.1:{free_port()}"
    project.state.mkdir(exist_ok=True)
    alive = {"url": "http://127.0.0.1:9", "pid": os.getpid(), "started": psutil.Process().create_time()}
    (project.state / "services.json").write_text(json.dumps({"mlflow": alive}))
    params = project.params_file.read_text().replace("mlflow: null", f"mlflow: {team}")
    project.params_file.write_text(params)
    with pytest.raises(Unavailable, match=f"{team} .*services.mlflow"):
        connect(project)
    monkeypatch.setenv("GANLIB_SERVICES_MLFLOW", other := f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match=other):
        connect(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    assert connect(project).uri == store.uri


def test_without_a_server_runs_go_to_the_database_and_the_artifacts_that_params_yaml_names(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GANLIB_SERVICES_ARTIFACTS", (tmp_path / "elsewhere").as_uri())
    factories.finished_run(connect(project))
    assert list((tmp_path / "elsewhere").rglob("environment.json"))
    monkeypatch.setenv("GANLIB_SERVICES_DATABASE", f"postgresql://ann@127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match=r"MLflow at postgresql://ann@127.0.0.1:\d+/mlflow does not answer"):
        connect(project)


def test_artifacts_go_beside_the_database_whatever_the_working_folder(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    factories.finished_run(store)
    assert list((store.project.root / "mlruns").rglob("environment.json"))
    assert not (tmp_path / "mlruns").exists()


def test_a_new_database_has_mlflows_default_experiment_beside_it_too(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    default = connect(project).client.get_experiment("0")
    assert default.artifact_location == (project.root / "mlruns" / "0").as_uri()


def test_a_deleted_experiment_is_told_with_its_remedy(store: MlflowStore) -> None:
    store.client.delete_experiment(store.experiment("tests"))
    with pytest.raises(BadInput, match="restore it"):
        store.experiment("tests")


def test_a_run_or_artifact_that_does_not_exist_is_absent(store: MlflowStore, tmp_path: Path) -> None:
    run_id = factories.finished_run(store)
    with pytest.raises(Absent, match=rf"^run {run_id} has no artifact nothing\.onnx\.$"):
        store.download(run_id, "nothing.onnx", tmp_path / "got")
    with pytest.raises(Absent, match=f"there is no run '{'0' * 32}' in MLflow"):
        store.download("0" * 32, "environment.json", tmp_path / "got")
