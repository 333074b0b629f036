"""Against a real MLflow server over HTTP: runs, the registry, what a person does in its page, and model serving."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import requests

from ganlib.config import load
from ganlib.data.record import DataVersion
from ganlib.errors import Unavailable
from ganlib.files import sha256_file
from ganlib.generation.session import OnnxModel
from ganlib.jobs.models import fetch
from ganlib.project import Project
from ganlib.registry.versions import CHAMPION, Registry
from ganlib.tracking.store import Store, connect
from tests import factories
from tests.services.conftest import free_port

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return factories.project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def store(project: Project, mlflow_server: str) -> Store:
    return connect(project, mlflow_server)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("graphs")
    for seed in range(2):
        factories.graph(folder / f"{seed}.onnx", seed)
    return [folder / f"{seed}.onnx" for seed in range(2)]


@pytest.fixture(scope="module")
def versions(store: Store, graphs: list[Path]) -> list[int]:
    """Two versions, the first of which is champion."""
    made = [factories.registered(store, path).version for path in graphs]
    Registry(store, "mnist-generator").set_alias(CHAMPION, made[0])
    return made


def test_a_version_makes_the_round_trip_over_http(
    store: Store, versions: list[int], graphs: list[Path], tmp_path: Path
) -> None:
    registry = Registry(store, "mnist-generator")
    found = registry.resolve("models:/mnist-generator@champion")
    assert found.version == versions[0]
    assert sha256_file(registry.download(found, tmp_path / "m.onnx")) == sha256_file(graphs[0])


def test_the_alias_that_a_person_sets_in_the_page_decides_what_is_generated_next(
    store: Store, project: Project, versions: list[int], graphs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's Save button sends just this request."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    params = load(project.params_file)
    assert fetch(project, params, "models:/mnist-generator@champion").sha256 == sha256_file(graphs[0])
    answer = requests.post(
        f"{store.uri}/ajax-api/2.0/mlflow/registered-models/alias",
        json={"name": "mnist-generator", "alias": "champion", "version": str(versions[1])},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    found = fetch(project, params, "models:/mnist-generator@champion")
    assert found.sha256 == sha256_file(graphs[1])
    assert found.version is not None
    assert found.version.version == versions[1]


def test_a_run_records_what_it_was(store: Store) -> None:
    data: DataVersion = factories.data_version()
    with store.start_run(
        "train dcgan (test)",
        family="dcgan",
        params={"seed": 3, "generator.learning_rate": 0.002},
        tags={"ganlib.overrides": "train.seed=3"},
        data=data,
        source=factories.Source("c" * 40, dirty=True),
        experiment="over http",
    ) as run:
        for step in range(1, 2501):
            run.log({"loss": step / 10, "other": -step}, step)
        run.image(b"\x89PNG\r\n\x1a\n", "grids/step-1.png")
        run.text("hello", "notes.txt")
    found = store.client.get_run(run.id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"seed": "3", "generator.learning_rate": "0.002"}
    assert found.data.tags["mlflow.source.git.commit"] == "c" * 40
    assert found.data.tags["ganlib.source_dirty"] == "true"
    assert found.data.tags["ganlib.overrides"] == "train.seed=3"
    (dataset,) = found.inputs.dataset_inputs
    assert dataset.dataset.digest == data.md5[:32]
    history = store.client.get_metric_history(run.id, "loss")
    assert [(point.step, point.value) for point in history] == [(step, step / 10) for step in range(1, 2501)]
    names = {entry.path for entry in store.client.list_artifacts(run.id)}
    assert {"grids", "notes.txt", "environment.json", "data_version.json"} <= names


@pytest.mark.slow
def test_mlflow_models_serve_gives_the_bytes_that_bare_onnxruntime_gives(
    store: Store, serve: Callable[..., None], versions: list[int], graphs: list[Path], tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve(
        [
            *(sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--workers", "1"),
            *("-m", f"models:/mnist-generator/{versions[0]}", "-h", "127.0.0.1", "-p", str(port)),
        ],
        f"{url}/ping",
        tmp_path,
        MLFLOW_TRACKING_URI=store.uri,
    )
    bare = OnnxModel(graphs[0])
    noise = np.random.default_rng(0).standard_normal((2, bare.noise_dim), dtype=np.float32)
    answer = requests.post(f"{url}/invocations", json={"inputs": {"noise": noise.tolist()}}, timeout=60)
    assert answer.status_code == 200, answer.text
    served = np.array(answer.json()["predictions"]["image"], np.uint8)
    assert np.array_equal(served, bare._session.run(["image"], {"noise": noise})[0])


def test_a_server_that_accepts_and_never_answers_is_unavailable_in_ten_seconds(project: Project) -> None:
    import socket
    import time

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(Unavailable, match=url):
            connect(project, url)
        assert time.monotonic() - start < 10
