"""The flow `generate` through Prefect's work pools, by the commands of docs/batches.md, on a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ganlib.generation.batch.batch import generate, verify
from ganlib.generation.session import OnnxModel
from tests import factories
from tests.conftest import ROOT
from tests.services import project as projects

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projects.make(tmp_path_factory.mktemp("pool") / "project")


@pytest.fixture(scope="module")
def prefect(serve: Callable[..., None], folder: Path) -> Callable[..., str]:
    """Runs a `prefect` command against a server of its own, with no terminal to ask; what it prints."""
    url = f"{projects.prefect_server(serve, folder)}/api"
    home = {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": url}

    def run(*words: str, **more: str) -> str:
        done = projects.run(folder, "prefect", *words, **home, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.url = url  # type: ignore[attr-defined]
    return run


DEPLOY = ("--no-prompt", "deploy", "pipelines/generate.py:generate", "--name")


def test_a_pool_of_kubernetes_takes_the_flow_with_its_image_and_its_registry(prefect: Callable[..., str]) -> None:
    """Up to where a cluster is needed."""
    template = ROOT / "deploy/kubernetes/work-pool.json"
    prefect("work-pool", "create", "ganlib", "--type", "kubernetes", "--base-job-template", str(template))
    environment = {"MLFLOW_TRACKING_URI": "http://mlflow:5050", "GANLIB_SERVICES_OUTPUTS": "[s3://bucket]"}
    prefect(
        *DEPLOY, "k8s", "--pool", "ganlib", "--job-variable", "image=registry/ganlib:1",
        "--job-variable", json.dumps({"env": environment}),
    )  # fmt: skip
    url = prefect.url.removesuffix("/api")  # type: ignore[attr-defined]
    made = projects.ask_prefect(url, "GET", "deployments/name/generate/k8s")
    assert made["work_pool_name"] == "ganlib"
    assert made["entrypoint"] == "pipelines/generate.py:generate"
    assert made["job_variables"] == {"image": "registry/ganlib:1", "env": environment}
    (step,) = made["pull_steps"]
    assert step["prefect.deployments.steps.set_working_directory"]["directory"] == "/opt/prefect"
    pool = projects.ask_prefect(url, "GET", "work_pools/ganlib")
    assert pool["base_job_template"] == json.loads(template.read_text())
    assert {"count", "out", "file_format", "runner", "scheduler"} <= set(made["parameter_openapi_schema"]["properties"])


def test_a_worker_of_a_pool_makes_what_the_library_makes(prefect: Callable[..., str], tmp_path: Path) -> None:
    """A worker of processes runs in a process what one of Kubernetes runs in a pod."""
    factories.graph(tmp_path / "g.onnx")
    allowed = {f"GANLIB_SERVICES_{what}": f"[{tmp_path}]" for what in ("OUTPUTS", "SOURCES")}
    prefect("work-pool", "create", "here", "--type", "process")
    prefect(*DEPLOY, "here", "--pool", "here")
    asked = {"model": tmp_path / "g.onnx", "count": 150, "seed": 4, "shard_size": 100, "file_format": "npy"}
    prefect(
        "deployment", "run", "generate/here", *(f"--param={name}={value}" for name, value in asked.items()),
        f"--param=out={tmp_path / 'out'}",
    )  # fmt: skip
    prefect("worker", "start", "--pool", "here", "--run-once", **allowed)
    assert verify(tmp_path / "out").ok
    local = generate(
        OnnxModel(tmp_path / "g.onnx"), out=tmp_path / "local", count=150, seed=4, shard_size=100, file_format="npy"
    )
    assert json.loads((tmp_path / "out/manifest.json").read_text())["digest"] == local.digest
