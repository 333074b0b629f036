"""`make up` with a password, on ports of its own: what the deployments may write, and what people switched off."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ganlib.config import GateConfig
from ganlib.core.project import Project
from ganlib.registry.promote import promote
from ganlib.registry.registry import Registry
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.services import project as projects

pytestmark = [pytest.mark.services, pytest.mark.slow]

LOGIN = ("ada", "not:to be seen")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = projects.bare(tmp_path_factory.mktemp("password") / "project")
    (folder / ".ganlib").mkdir(exist_ok=True)
    file = folder / ".ganlib/prefect-auth"
    file.write_text(":".join(LOGIN) + "\n")
    return folder


def up(folder: Path, *words: str, **more: str) -> tuple[dict[str, Any], str]:
    done = projects.run(folder, "pipelines", "services", "up", "--json", "--mlflow-port=auto", *words, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def services(folder: Path) -> Iterator[dict[str, Any]]:
    (folder / ".ganlib/prefect-auth").chmod(0o600)
    state, _ = up(folder, GANLIB_SERVICES_PREFECT_PORT="auto")
    yield state
    assert projects.run(folder, "pipelines", "services", "down").returncode == 0


@pytest.fixture(scope="module")
def store(folder: Path, services: dict[str, Any]) -> MlflowStore:
    """Version 1 is champion."""
    store = connect(Project(folder), services["mlflow"]["url"])
    _promoted(store, 10)
    return store


def _promoted(store: MlflowStore, fid: float) -> None:
    number = len(Registry(store, "mnist-generator").versions()) + 1 if fid < 10 else 1
    factories.graph(store.project.root / f"{number}.onnx", seed=number)
    factories.registered(store, store.project.root / f"{number}.onnx", fid)
    registry = Registry(store, "mnist-generator")
    assert promote(registry, registry.get(number), policy=GateConfig(), state=store.project.state).promoted


def ask(services: dict[str, Any], verb: str, path: str, body: Any = None) -> Any:
    return projects.ask_prefect(services["prefect"]["url"], verb, path, body, LOGIN)


def started(services: dict[str, Any], deployment: str, name: str | None = None, **parameters: Any) -> dict[str, Any]:
    """The run that the page's button starts, when it has ended."""
    target = ask(services, "GET", f"deployments/name/{deployment}")["id"]
    body = {"parameters": parameters} | ({"name": name} if name else {})
    run = ask(services, "POST", f"deployments/{target}/create_flow_run", body)
    deadline = time.monotonic() + 600
    while run["state_type"] not in ("COMPLETED", "FAILED", "CRASHED"):
        assert time.monotonic() < deadline, run
        time.sleep(0.5)
        run = ask(services, "GET", f"flow_runs/{run['id']}")
    return dict(run)


def test_a_password_that_others_may_read_is_refused(folder: Path) -> None:
    (folder / ".ganlib/prefect-auth").chmod(0o644)
    done = projects.run(folder, "pipelines", "services", "up")
    assert (done.returncode, "chmod 600" in done.stderr) == (2, True), done.stderr


def test_without_the_password_there_is_no_answer(folder: Path, services: dict[str, Any]) -> None:
    url = f"{services['prefect']['url']}/api"
    for login in (None, ("ada", "guessed")):
        for path in ("deployments/filter", "flow_runs/filter", "automations/filter"):
            assert requests.post(f"{url}/{path}", json={}, auth=login, timeout=30).status_code == 401
    assert len(ask(services, "POST", "deployments/filter", {})) == 7
    wrong = {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": "ada:guessed"}
    done = projects.run(folder, "pipelines", "version_data", **wrong)
    assert done.returncode == 2, done.stderr
    assert "refuses this login (401)" in done.stderr.splitlines()[-1]


def test_the_projects_own_commands_know_it(folder: Path, services: dict[str, Any]) -> None:
    done = projects.run(folder, "pipelines", "version_data", "--json")
    assert done.returncode == 0, done.stderr
    assert any(run["name"].startswith("version data: ") for run in ask(services, "POST", "flow_runs/filter", {}))


def test_generate_by_default_goes_on_after_a_promotion_in_a_folder_of_its_own(
    folder: Path, services: dict[str, Any], store: MlflowStore
) -> None:
    first = started(services, "generate/batch", count=3, check=False)
    assert first["state_type"] == "COMPLETED", first["state"]["message"]
    assert first["name"] == "generate 3 images of champion (version 1, seed 0)"
    _promoted(store, 5)
    second = started(services, "generate/batch", "before the release", count=3, check=False)
    assert second["state_type"] == "COMPLETED", second["state"]["message"]
    assert second["name"] == "before the release"
    made = {found.name for found in (folder / "out").iterdir()}
    assert made == {"mnist-generator-v1-seed0-3", "mnist-generator-v2-seed0-3"}
    again = started(services, "generate/batch", count=3, check=False)
    assert again["state_type"] == "COMPLETED", "what is whole is left as it is"


@pytest.mark.parametrize("out", ["{tmp}/elsewhere", "out/../elsewhere", "out/link/elsewhere"])
def test_a_run_from_the_page_writes_nowhere_else(
    folder: Path, services: dict[str, Any], store: MlflowStore, tmp_path: Path, out: str
) -> None:
    """A plain name, too, by tests/unit/pipelines/test_places.py."""
    (folder / "out").mkdir(exist_ok=True)
    (folder / "out/link").unlink(missing_ok=True)
    (folder / "out/link").symlink_to(tmp_path)
    run = started(services, "generate/batch", count=1, out=out.format(tmp=tmp_path))
    assert run["state_type"] == "FAILED"
    assert "is not below out" in run["state"]["message"]
    assert "services.outputs" in run["state"]["message"]
    assert not list(tmp_path.iterdir())
    assert not (folder / "elsewhere").exists()
    (folder / "out/link").unlink()


def test_what_a_person_switched_off_stays_off_and_up_says_so(folder: Path, services: dict[str, Any]) -> None:
    target = ask(services, "GET", "deployments/name/retrain/best-of-families")
    ask(services, "POST", f"deployments/{target['id']}/pause_deployment")
    (automation,) = ask(services, "POST", "automations/filter", {})
    ask(services, "PATCH", f"automations/{automation['id']}", {"enabled": False})
    assert projects.run(folder, "pipelines", "services", "down").returncode == 0
    port = services["prefect"]["url"].rpartition(":")[2]
    state, said = up(folder, f"--prefect-port={port}")
    services |= state
    assert "retrain/best-of-families was paused in Prefect's page and stays so" in said
    assert "'data changed -> retrain' is switched off" in said
    paused = {found["name"] for found in ask(services, "POST", "deployments/filter", {}) if found["paused"]}
    assert paused == {"best-of-families"}, "the end of the services paused none"
    (automation,) = ask(services, "POST", "automations/filter", {})
    assert not automation["enabled"]


def test_a_second_clone_is_told_whose_port_it_wants_and_how_to_have_another(
    folder: Path, services: dict[str, Any], tmp_path: Path
) -> None:
    clone = projects.bare(tmp_path / "clone")
    port = services["mlflow"]["url"].rpartition(":")[2]
    done = projects.run(clone, "pipelines", "services", "up", GANLIB_SERVICES_MLFLOW_PORT=port)
    assert done.returncode == 2
    assert f"port {port} is taken by MLflow of the project in {folder.resolve()} (pid " in done.stderr
    assert "make up MLFLOW_PORT=auto" in done.stderr
    assert not (clone / ".ganlib/services.json").exists()


def test_another_port_while_it_runs_is_told_and_changes_nothing(folder: Path, services: dict[str, Any]) -> None:
    state, said = up(folder, "--prefect-port=4999")
    assert state == services
    assert "prefect was running already" in said


def test_the_password_is_seen_nowhere(folder: Path, services: dict[str, Any]) -> None:
    done = projects.run(folder, "pipelines", "services", "up")
    texts = [done.stdout, done.stderr, (folder / ".ganlib/services.json").read_text()]
    texts += [log.read_text(errors="replace") for log in (folder / ".ganlib/logs").iterdir()]
    assert "prefect-auth" in done.stdout, "where it is"
    assert not [text for text in texts if LOGIN[1] in text]
