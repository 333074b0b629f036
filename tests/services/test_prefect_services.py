"""`make up`, the deployments and the triggers, with real servers."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

from tests.services import project as projects

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projects.make(tmp_path_factory.mktemp("up") / "project")


@pytest.fixture(scope="module")
def services(folder: Path) -> Iterator[dict[str, Any]]:
    """The three services of `make up`."""
    done = projects.run(folder, "pipelines.services", "up", "--json")
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout)
    down = projects.run(folder, "pipelines.services", "down")
    assert down.returncode == 0, down.stderr


def api(services: dict[str, Any], path: str, body: dict[str, Any] | None = None) -> Any:
    answer = requests.post(f"{services['prefect']['url']}/api/{path}", json=body or {}, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


def deployment(services: dict[str, Any], flow: str) -> dict[str, Any]:
    found = requests.get(f"{services['prefect']['url']}/api/deployments/name/{flow}/local", timeout=30)
    assert found.ok, found.text
    return dict(found.json())


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.5)
    pytest.fail("waited in vain")


def test_all_services_answer_and_up_again_starts_nothing_new(folder: Path, services: dict[str, Any]) -> None:
    assert requests.get(f"{services['mlflow']['url']}/health", timeout=10).ok
    assert requests.get(f"{services['prefect']['url']}/api/health", timeout=10).ok
    again = projects.run(folder, "pipelines.services", "up", "--json")
    assert json.loads(again.stdout) == services
    assert json.loads(projects.run(folder, "pipelines.services", "status", "--json").stdout) == services


def test_every_flow_is_deployed(services: dict[str, Any]) -> None:
    found = {(d["name"], d["entrypoint"]) for d in api(services, "deployments/filter")}
    assert {entry.rpartition(":")[2] for _, entry in found} == {
        "version_data",
        "train",
        "retrain",
        "promote",
        "generate",
    }
    assert deployment(services, "retrain")["schedules"][0]["active"]


def test_a_run_started_as_the_pages_button_does_trains_registers_and_promotes(
    folder: Path, services: dict[str, Any]
) -> None:
    """The button sends this request; so does `prefect deployment run`."""
    target = deployment(services, "retrain")["id"]
    made = api(services, f"deployments/{target}/create_flow_run", {"parameters": {"families": ["vae"]}})

    def ended() -> Any:
        state = requests.get(f"{services['prefect']['url']}/api/flow_runs/{made['id']}", timeout=30).json()
        return state if state["state_type"] in ("COMPLETED", "FAILED", "CRASHED") else None

    state = wait_for(ended, 240)
    assert state["state_type"] == "COMPLETED", (folder / ".ganlib/logs/deployments.log").read_text()[-3000:]
    assert state["name"] == "retrain vae (default budget)"
    listed = json.loads(projects.run(folder, "ganlib", "registry", "list", "--json").stdout)
    assert [(row["version"], row["family"], row["aliases"]) for row in listed] == [(1, "vae", ["champion"])]
    artifacts = {entry["key"] for entry in api(services, "artifacts/filter")}
    assert {"metrics", "gate", "mlflow-vae", "mlflow-version"} <= artifacts


def test_changed_data_starts_a_retraining(folder: Path, services: dict[str, Any]) -> None:
    before = {run["id"] for run in api(services, "flow_runs/filter")}
    code = (
        "from prefect.events import emit_event; from pipelines.version_data import CHANGED, RESOURCE; "
        "emit_event(CHANGED, resource={'prefect.resource.id': RESOURCE + '.test'}, payload={})"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=projects.environment(folder), check=True, timeout=120)

    def started() -> Any:
        runs = api(services, "flow_runs/filter", {"sort": "EXPECTED_START_TIME_DESC"})
        target = deployment(services, "retrain")["id"]
        return [r for r in runs if r["id"] not in before and r["deployment_id"] == target and not r["auto_scheduled"]]

    (run,) = wait_for(started)
    api(services, f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLED"}, "force": True})


def test_a_killed_server_is_noticed(folder: Path, services: dict[str, Any]) -> None:
    process = psutil.Process(services["mlflow"]["pid"])
    for one in [*process.children(recursive=True), process]:
        one.send_signal(signal.SIGKILL)
    psutil.wait_procs([process], timeout=10)
    assert "mlflow" not in json.loads(projects.run(folder, "pipelines.services", "status", "--json").stdout)


def test_down_leaves_no_process(folder: Path, services: dict[str, Any]) -> None:
    family = [
        one
        for name in ("prefect", "deployments")
        for one in [
            psutil.Process(services[name]["pid"]),
            *psutil.Process(services[name]["pid"]).children(recursive=True),
        ]
    ]
    assert projects.run(folder, "pipelines.services", "down").returncode == 0
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family)
    assert not (folder / ".ganlib/services.json").exists()


def test_a_port_of_a_stranger_is_named_with_its_key(tmp_path: Path) -> None:
    mine = projects.make(tmp_path / "project")
    port = yaml.safe_load((mine / "params.yaml").read_text())["services"]["mlflow_port"]
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        done = projects.run(mine, "pipelines.services", "up")
    assert done.returncode == 2
    assert f"port {port} is taken" in done.stderr
    assert "services.mlflow_port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (mine / ".ganlib/services.json").exists()
