"""MLflow with passwords, and with artifacts on S3: what is refused or missing is told in a line, without secrets."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
import requests

from ganlib.config import GateConfig
from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.core.project import Project
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.failures import Refused
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.conftest import ROOT
from tests.services import project as projects
from tests.services.conftest import free_port

pytestmark = [pytest.mark.services, pytest.mark.slow]

PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def guarded(serve: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Host and port of an MLflow server that asks for a password; ann may only read."""
    pytest.importorskip("flask_wtf", reason="no flask_wtf: make install")
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    settings = folder / "auth.ini"
    settings.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder / 'auth.db'}\n"
        f"admin_username = admin\nadmin_password = {PASSWORD}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    serve(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--app-name", "basic-auth"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        f"http://127.0.0.1:{port}/health",
        folder,
        MLFLOW_AUTH_CONFIG_PATH=str(settings),
        MLFLOW_FLASK_SERVER_SECRET_KEY="for-tests",
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
    )
    place = f"127.0.0.1:{port}"
    made = requests.post(
        f"http://{place}/api/2.0/mlflow/users/create",
        json={"username": "ann", "password": PASSWORD},
        auth=("admin", PASSWORD),
        timeout=30,
    )
    assert made.ok, made.text
    return place


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the client puts into the environment goes with the test."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")


def test_the_password_in_the_url_is_used_and_nowhere_kept(guarded: str, project: Project, clean: None) -> None:
    store = connect(project, f"http://admin:{PASSWORD}@{guarded}")
    assert store.uri == f"http://{guarded}"
    run = store.client.get_run(factories.finished_run(store))
    assert PASSWORD not in str(run.to_dictionary())


def test_a_wrong_password_is_no_outage(guarded: str, tmp_path: Path) -> None:
    root = factories.project(tmp_path / "project", factories.empty_database()).root
    done = projects.run(
        root, "ganlib", "registry", "list", "--json",
        MLFLOW_TRACKING_URI=f"http://admin:wrong-horse@{guarded}", PYTHONPATH=str(ROOT),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "401" in json.loads(line)["message"]
    assert "MLFLOW_TRACKING_PASSWORD" in line
    assert "wrong-horse" not in done.stderr + done.stdout


def test_a_user_who_may_only_read_is_told_so(guarded: str, project: Project, clean: None) -> None:
    factories.finished_run(connect(project, f"http://admin:{PASSWORD}@{guarded}"))
    store = connect(project, f"http://ann:{PASSWORD}@{guarded}")
    assert store.client.search_experiments()
    with pytest.raises(Refused, match="403"):
        factories.finished_run(store)


def test_who_may_only_read_promotes_nothing_and_the_ledger_names_who_may(
    guarded: str, project: Project, clean: None
) -> None:
    def registry(user: str) -> Registry:
        return Registry(connect(project, f"http://{user}:{PASSWORD}@{guarded}"), "roles")

    def promoted(user: str) -> bool:
        model = registry(user)
        return promote(model, model.get(1), policy=GateConfig(), state=project.state).promoted

    factories.bare_version(registry("admin").store, 1, 20, "roles")  # few requests: each costs the hash of a password
    with pytest.raises(Refused, match="403"):
        promoted("ann")
    assert registry("ann").alias(CHAMPION) is None
    assert promoted("admin")
    (entry,) = Ledger(registry("ann").store, "roles").read().entries()
    assert entry.who.startswith("admin@")


@pytest.fixture(scope="module")
def moto(serve: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    serve(command, f"{url}/moto-api/", tmp_path_factory.mktemp("s3"))
    return url


@pytest.fixture
def on_s3(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowStore:
    """A store whose experiment keeps its artifacts in the bucket ``models``, which is not there yet."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    requests.post(f"{moto}/moto-api/reset", timeout=10)
    store = connect(factories.project(tmp_path / "on_s3", factories.empty_database()))
    store.client.create_experiment("tests", artifact_location="s3://models/runs")
    return store


def test_a_missing_bucket_is_named_and_no_outage(on_s3: MlflowStore) -> None:
    with pytest.raises(BadInput, match=r"bucket 'models' is not there") as told:
        factories.finished_run(on_s3)
    assert "\n" not in str(told.value)


def test_a_bucket_that_goes_while_models_are_in_it_is_told_where_they_are_read_and_registered(
    on_s3: MlflowStore, moto: str, tmp_path: Path
) -> None:
    boto3.client("s3").create_bucket(Bucket="models")
    factories.graph(tmp_path / "g.onnx")
    version = factories.registered(on_s3, tmp_path / "g.onnx")
    registry = Registry(on_s3, "mnist-generator")
    assert registry.download(version, tmp_path / "there.onnx").is_file()
    requests.post(f"{moto}/moto-api/reset", timeout=10)
    for attempt in (
        lambda: registry.download(version, tmp_path / "again.onnx"),
        lambda: registry.remove(version.version, registry.model_of(version.version)),
        lambda: on_s3.download(str(version.run_id), "environment.json", tmp_path / "got"),
    ):
        with pytest.raises(BadInput, match="bucket") as told:
            attempt()
        assert "\n" not in str(told.value)


def test_a_store_of_artifacts_that_is_away_is_worth_another_try(
    on_s3: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("s3").create_bucket(Bucket="models")
    away = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", away)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", away)
    with pytest.raises(Unavailable, match=r"artifact store cannot be reached.*127\.0\.0\.1") as told:
        factories.finished_run(on_s3)
    assert isinstance(told.value.__cause__, Exception)
    assert issubclass(Unavailable, GanlibError)
