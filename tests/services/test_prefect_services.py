"""`make up`, the deployments and the triggers, with real servers."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

from ganlib.config import GateConfig
from ganlib.core.project import Project
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.services import project as projects
from tests.support.forks import Command
from tests.support.prometheus import sample
from tests.unit.data.builders import idx_files, write_files

pytestmark = [pytest.mark.services, pytest.mark.slow]

NAMES = {"retrain": "best-of-families", "version-data": "new-data"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projects.make(tmp_path_factory.mktemp("up") / "project")


@pytest.fixture(scope="module")
def services(folder: Path) -> Iterator[dict[str, Any]]:
    """The three services of `make up`."""
    done = projects.run(folder, "pipelines", "services", "up", "--json")
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout)
    down = projects.run(folder, "pipelines", "services", "down")
    assert down.returncode == 0, down.stderr


def api(services: dict[str, Any], path: str, body: dict[str, Any] | None = None) -> Any:
    return projects.ask_prefect(services["prefect"]["url"], "POST", path, body or {})


def deployment(services: dict[str, Any], flow: str) -> dict[str, Any]:
    return dict(projects.ask_prefect(services["prefect"]["url"], "GET", f"deployments/name/{flow}/{NAMES[flow]}"))


def wait_for(condition: Callable[[], Any], seconds: float = 400) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.5)
    pytest.fail("waited in vain")


def test_all_services_answer_and_up_again_starts_nothing_new(folder: Path, services: dict[str, Any]) -> None:
    assert requests.get(f"{services['mlflow']['url']}/health", timeout=120).ok
    assert requests.get(f"{services['prefect']['url']}/api/health", timeout=120).ok
    again = projects.run(folder, "pipelines", "services", "up", "--json")
    assert json.loads(again.stdout) == services
    assert json.loads(projects.run(folder, "pipelines", "services", "status", "--json").stdout) == services


def test_metrics_tell_of_the_queue_and_of_what_ended(folder: Path, services: dict[str, Any]) -> None:
    (flow,) = api(services, "flows/filter", {"flows": {"name": {"any_": ["retrain"]}}})
    url, made = services["prefect"]["url"], []
    for state, name, tags in (
        ("FAILED", "Failed", ["cause:schedule", "cause:data"]),
        ("COMPLETED", "Completed", ["ganlib"]),
        ("SCHEDULED", "Late", []),
    ):
        body = {"flow_id": flow["id"], "name": name, "tags": tags, "state": {"type": state, "name": name}}
        made.append(projects.ask_prefect(url, "POST", "flow_runs/", body)["id"])
    try:
        done = projects.run(folder, "ganlib", "metrics")
    finally:
        for identity in made:
            projects.ask_prefect(url, "DELETE", f"flow_runs/{identity}")
    assert done.returncode == 0, done.stderr
    for service in ("mlflow", "prefect"):
        assert sample(done.stdout, "ganlib_service_up", service=service) == 1
    assert sample(done.stdout, "ganlib_flow_runs", flow="retrain", state="late") == 1
    assert sample(done.stdout, "ganlib_flow_runs", flow="generate", state="late") == 0
    assert sample(done.stdout, "ganlib_flow_runs_finished_total", flow="retrain", outcome="failed") >= 1
    assert sample(done.stdout, "ganlib_retrainings_total", cause="data+schedule", outcome="failed") == 1
    assert sample(done.stdout, "ganlib_retrainings_total", cause="hand", outcome="completed") >= 1
    assert sample(done.stdout, "ganlib_flow_last_success_timestamp_seconds", flow="retrain") > time.time() - 86400


def test_every_flow_is_deployed(services: dict[str, Any]) -> None:
    found = {(d["name"], d["entrypoint"]) for d in api(services, "deployments/filter")}
    assert len({name for name, _ in found}) == 7, "each has a name of its own"
    assert {entry.rpartition(":")[2] for _, entry in found} == {
        "version_data",
        "train",
        "retrain",
        "promote",
        "generate",
        "reconcile",
        "approve",
    }
    assert deployment(services, "retrain")["schedules"][0]["active"]


def test_a_run_started_as_the_pages_button_does_trains_registers_and_promotes(
    folder: Path, services: dict[str, Any]
) -> None:
    """The button sends this request; so does `prefect deployment run`."""
    target = deployment(services, "retrain")["id"]
    made = api(services, f"deployments/{target}/create_flow_run", {"parameters": {"families": ["vae"]}})

    def ended() -> Any:
        state = projects.ask_prefect(services["prefect"]["url"], "GET", f"flow_runs/{made['id']}")
        return state if state["state_type"] in ("COMPLETED", "FAILED", "CRASHED") else None

    state = wait_for(ended)
    assert state["state_type"] == "COMPLETED", (folder / ".ganlib/logs/deployments.log").read_text()[-3000:]
    assert state["name"] == "retrain vae (smoke): version 1 promoted"
    listed = json.loads(projects.run(folder, "ganlib", "registry", "list", "--json").stdout)
    assert [(row["version"], row["family"], row["aliases"]) for row in listed] == [(1, "vae", ["champion"])]
    artifacts = {entry["key"]: entry["description"] for entry in api(services, "artifacts/filter")}
    assert {"metrics", "gate", "samples-vae", "mlflow-vae", "mlflow-version"} <= artifacts.keys()
    assert all(artifacts.values()), "each says what it is"


def test_what_a_person_does_in_mlflows_page_is_found_and_answered_by_a_run_that_nobody_started(
    folder: Path, services: dict[str, Any]
) -> None:
    """The page's buttons send these requests. There is no champion before version 1, so its removal stays a failure."""
    store = connect(Project(folder), services["mlflow"]["url"])
    registry = Registry(store, "mnist-generator")
    if not registry.versions():  # this test alone: the one before has trained version 1
        factories.bare_version(store, 1, 10)
        promote(registry, registry.get(1), policy=GateConfig(), state=store.project.state)

    def alias(verb: str, **more: str) -> None:
        asked = {"name": "mnist-generator", "alias": "champion", **more}
        url = f"{services['mlflow']['url']}/ajax-api/2.0/mlflow/registered-models/alias"
        assert requests.request(verb, url, json=asked, timeout=120).ok

    def ended(state: str) -> Any:
        runs = api(services, "flow_runs/filter", {"flow_runs": {"name": {"like_": "reconcile"}}})
        return [run for run in runs if run["state_type"] == state]

    alias("DELETE")
    (failed,) = wait_for(lambda: ended("FAILED"))
    assert "no earlier one to fall back to" in failed["state"]["message"]
    alias("POST", version="1")
    wait_for(lambda: ended("COMPLETED"))
    # A run that completed may have begun before the alias was back: the next one, two seconds later, finds it.
    entries = wait_for(lambda: (found := Ledger(store, "mnist-generator").read().entries())[2:] and found)
    assert [(entry.kind, entry.to_version) for entry in entries] == [
        *(("promoted", 1), ("external", None), ("promoted", 1)),
    ]


def test_the_schedule_plans_retrainings_ahead(services: dict[str, Any]) -> None:
    """With SQLAlchemy 2.1 none ever appears (docs/decisions/0001-pins.md)."""
    target = deployment(services, "retrain")["id"]

    def planned() -> Any:
        runs = api(services, "flow_runs/filter", {"flow_runs": {"deployment_id": {"any_": [target]}}})
        return [run["expected_start_time"] for run in runs if run["auto_scheduled"]]

    for time_ in wait_for(planned):
        start = datetime.fromisoformat(time_)
        assert (start.weekday(), start.hour, start.utcoffset()) == (0, 3, timedelta(0)), "Mondays at three, UTC"


def test_new_data_versioned_from_prefects_command_line_starts_a_retraining(
    folder: Path, services: dict[str, Any]
) -> None:
    """A retraining of its own accord is the fifth way to start one; this one is cancelled."""
    write_files(folder / "own", idx_files())
    target = deployment(services, "retrain")["id"]
    done = projects.run(
        folder,
        *("prefect", "deployment", "run", "version-data/new-data", "-p", "source=own", "--watch"),
        PREFECT_API_URL=f"{services['prefect']['url']}/api",
        PREFECT_HOME=str(folder / ".ganlib/prefect"),
    )
    assert done.returncode == 0, done.stdout + done.stderr

    def started() -> Any:
        runs = api(services, "flow_runs/filter", {"flow_runs": {"deployment_id": {"any_": [target]}}})
        return [run for run in runs if run["created_by"] and run["created_by"]["type"] == "AUTOMATION"]

    (run,) = wait_for(started)
    assert run["parameters"]["causes"] == ["data"]
    api(services, f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    shown = json.loads(projects.run(folder, "ganlib", "data", "show", "--json").stdout)
    assert shown["source"] == "own"


def kill(pid: int) -> None:
    process = psutil.Process(pid)
    process.send_signal(signal.SIGKILL)
    psutil.wait_procs([process], timeout=120)


def status(folder: Path) -> Any:
    return json.loads(projects.run(folder, "pipelines", "services", "status", "--json").stdout)


def test_a_killed_server_is_started_again_on_the_same_port_by_nobody(folder: Path, services: dict[str, Any]) -> None:
    """Only the parent is killed: the child that holds the port lives on, as after a visit of the OOM killer."""
    assert psutil.Process(services["mlflow"]["pid"]).children()
    kill(services["mlflow"]["pid"])
    log = folder / ".ganlib/logs/supervisor.log"
    wait_for(lambda: "mlflow: back after" in log.read_text())
    now = status(folder)
    assert now["mlflow"]["url"] == services["mlflow"]["url"]
    assert now["mlflow"]["pid"] != services["mlflow"]["pid"]
    assert requests.get(f"{now['mlflow']['url']}/health", timeout=120).ok
    assert now["prefect"] == services["prefect"], "what runs goes on running"
    told = [line.partition("mlflow: ")[2].split() for line in log.read_text().splitlines() if "mlflow: " in line]
    assert [words[0] for words in told] == ["ended", "back"]


def test_a_killed_supervisor_ends_nothing_and_the_next_up_starts_it(folder: Path, services: dict[str, Any]) -> None:
    before = status(folder)
    kill(before.pop("supervisor")["pid"])
    assert status(folder) == before
    again = projects.run(folder, "pipelines", "services", "up", "--json")
    assert again.returncode == 0, again.stderr
    now = json.loads(again.stdout)
    assert now.pop("supervisor")
    assert now == before


def test_down_leaves_no_process(folder: Path, services: dict[str, Any]) -> None:
    state = json.loads(projects.run(folder, "pipelines", "services", "status", "--json").stdout)
    leaders = [psutil.Process(entry["pid"]) for entry in state.values()]
    family = [*leaders, *(child for one in leaders for child in one.children(recursive=True))]
    assert len(leaders) == 4
    assert projects.run(folder, "pipelines", "services", "down").returncode == 0
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family)
    assert not (folder / ".ganlib/services.json").exists()


def test_what_a_killed_up_had_begun_is_ended_by_the_next_command(tmp_path: Path) -> None:
    mine = projects.bare(tmp_path / "project")
    up = Command(["pipelines", "services", "up"], mine, projects.environment(mine))
    begun = mine / ".ganlib/service-starting.json"
    wait_for(begun.exists)
    up.kill()
    up.wait()
    server = psutil.Process(json.loads(begun.read_text())["pid"])
    assert not (mine / ".ganlib/services.json").exists()
    assert projects.run(mine, "pipelines", "services", "down").returncode == 0
    assert not server.is_running()
    assert not begun.exists()


def test_a_port_of_a_stranger_is_named_with_its_key(tmp_path: Path) -> None:
    mine = projects.bare(tmp_path / "project")
    port = yaml.safe_load((mine / "params.yaml").read_text())["services"]["mlflow_port"]
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        done = projects.run(mine, "pipelines", "services", "up")
    assert done.returncode == 2
    assert f"port {port} is taken" in done.stderr
    assert "services.mlflow_port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (mine / ".ganlib/services.json").exists()
