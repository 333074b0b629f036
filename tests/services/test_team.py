"""The servers of deploy/compose.yaml, started by its own settings, and `make up` beside them."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import requests
import yaml

from ganlib.core.project import Project
from ganlib.tracking.store import connect
from tests import factories
from tests.services import project as projects
from tests.services.compose import DEPLOY, Compose
from tests.services.conftest import free_port
from tests.services.team import ADA, ADMIN, SECRETS, kill, mlflow, prefect, servers, wait_for
from tests.services.test_behind_proxy import await_nginx, needs_nginx, nginx

pytestmark = [pytest.mark.services, pytest.mark.slow]

HOST = "ganlib.example.org"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projects.bare(tmp_path_factory.mktemp("team") / "project")


@pytest.fixture(scope="module")
def team(folder: Path) -> Iterator[Compose]:
    with servers(folder) as made:
        yield made.compose


def make(team: Compose, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`make up` and so on, in an environment that is the worker's."""
    settings = team.environment("worker") | {"GANLIB_SERVICES_DVC_REMOTE": "null"} | more
    return projects.run(team.project, "pipelines", "services", *words, "--json", **settings)


def up(team: Compose, **more: str) -> dict[str, Any]:
    done = make(team, "up", **more)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_nobody_is_answered_without_a_password(team: Compose) -> None:
    searched = f"{mlflow(team)}/api/2.0/mlflow/experiments/search?max_results=1"
    flows = f"{prefect(team)}/flow_runs/filter"
    for login in (None, ("admin", "guessed")):
        assert requests.get(searched, auth=login, timeout=60).status_code == 401
        assert requests.post(flows, json={}, auth=login, timeout=60).status_code == 401
    assert requests.get(searched, auth=ADMIN, timeout=60).ok
    assert requests.post(flows, json={}, auth=ADA, timeout=60).ok


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"MLFLOW_TRACKING_PASSWORD": "guessed"}, 2, "does not take this user name and password (401)"),
        ({"MLFLOW_TRACKING_PASSWORD_FILE": "/nowhere"}, 2, "cannot read /nowhere"),
        ({"PREFECT_API_AUTH_STRING": "ada:guessed"}, 2, "refuses this login (401)"),
        ({"PREFECT_API_AUTH_STRING_FILE": ""}, 2, "refuses this login (401)"),
        ({"GANLIB_SERVICES_PREFECT": "http://127.0.0.1:9/api"}, 75, "does not answer"),
        ({"GANLIB_SERVICES_MLFLOW": "null", "GANLIB_SERVICES_DATABASE": "{database}"}, 2, "no password supplied"),
        ({"GANLIB_SERVICES_MLFLOW": "http://a:guessed@127.0.0.1:9"}, 2, "without a password"),
    ],
)
def test_a_wrong_or_missing_secret_is_one_line_and_nothing_is_started(
    team: Compose, change: dict[str, str], code: int, message: str
) -> None:
    database = f"postgresql://ganlib@127.0.0.1:{team.ports['postgres:5432']}"
    done = make(team, "up", **{key: value.format(database=database) for key, value in change.items()})
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.splitlines()
    assert message in json.loads(line)["message"]
    assert "guessed" not in line
    assert not (team.project / ".ganlib/services.json").exists()


def test_up_beside_a_teams_servers_starts_what_they_lack_and_again_what_is_killed(team: Compose) -> None:
    """And beside a team's Prefect our own MLflow on PostgreSQL, with its artifacts on S3."""
    state = up(team)
    try:
        assert {name for name, entry in state.items() if "pid" in entry} == {"deployments", "supervisor"}
        assert (state["mlflow"], state["prefect"]) == ({"url": mlflow(team)}, {"url": prefect(team)})
        assert up(team) == state, "a second up starts nothing"
        runs_a_flow(team)
        kill(psutil.Process(state["deployments"]["pid"]))
        log = team.project / ".ganlib/logs/supervisor.log"
        wait_for(lambda: "deployments: back after" in log.read_text())
        assert log.read_text().count("deployments: ") == 2
        _ours_on_postgresql(team)
    finally:
        ended = json.loads(make(team, "down").stdout)
    assert ended == ["supervisor", "deployments", "mlflow"]
    assert not (team.project / ".ganlib/services.json").exists()
    assert requests.get(f"{mlflow(team)}/health", timeout=60).ok, "what is the team's is left alone"
    texts = [path.read_text(errors="replace") for path in (team.project / ".ganlib/logs").iterdir()]
    assert not [secret for secret in (ADMIN[1], ADA[1], SECRETS["postgres"]) for text in texts if secret in text]


def runs_a_flow(team: Compose) -> None:
    """The page's button: a run that reads the registry on the team's MLflow."""
    url = prefect(team).removesuffix("/api")
    target = projects.ask_prefect(url, "GET", "deployments/name/reconcile/mlflow-page", None, ADA)["id"]
    run = projects.ask_prefect(url, "POST", f"deployments/{target}/create_flow_run", {}, ADA)

    def ended() -> Any:
        now = projects.ask_prefect(url, "GET", f"flow_runs/{run['id']}", None, ADA)
        return now if now["state_type"] in ("COMPLETED", "FAILED", "CRASHED") else None

    assert wait_for(ended)["state_type"] == "COMPLETED"


def _ours_on_postgresql(team: Compose) -> None:
    port = team.ports["postgres:5432"]
    ours = {
        "GANLIB_SERVICES_MLFLOW": "null",
        "GANLIB_SERVICES_DATABASE": f"postgresql://ganlib@127.0.0.1:{port}",
        "GANLIB_SERVICES_ARTIFACTS": "s3://ganlib/ours",
        "PGPASSWORD_FILE": f"{team.project}/secrets/postgres",
    }
    made = up(team, **ours)
    assert {name for name, entry in made.items() if "pid" in entry} == {"mlflow", "deployments", "supervisor"}
    assert made["deployments"]["servers"] == [made["mlflow"]["url"], prefect(team)]
    api = f"{made['mlflow']['url']}/api/2.0/mlflow/experiments"
    experiment = requests.post(f"{api}/create", json={"name": "on postgresql"}, timeout=60).json()["experiment_id"]
    found = requests.get(f"{api}/get", params={"experiment_id": experiment}, timeout=60).json()["experiment"]
    assert found["artifact_location"] == f"s3://ganlib/ours/{experiment}"


def test_artifacts_go_through_mlflow_to_s3_and_back(
    team: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN[0])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN[1])
    store = connect(Project(team.project), mlflow(team))
    run_id = factories.finished_run(store)
    store.client.log_text(run_id, "hello", "note.txt")
    assert store.download(run_id, "note.txt", tmp_path).read_text() == "hello", "no link to S3, which this one refuses"
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{team.ports['s3:9000']}",
        region_name="us-east-1",
        aws_access_key_id=team.secrets["s3_user"],
        aws_secret_access_key=team.secrets["s3_password"],
    )
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="ganlib", Prefix="artifacts/")["Contents"]]
    assert [key for key in keys if run_id in key]


@needs_nginx
def test_nginx_offers_all_of_it_below_paths_of_one_host(
    team: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    block = (DEPLOY / "nginx.conf").read_text()
    for name, place in (("mlflow:5000", "127.0.0.1:5050"), ("prefect:4200", "127.0.0.1:4242")):
        block = block.replace(place, f"127.0.0.1:{team.ports[name]}")
    block = re.sub(r" *ssl_certificate.*\n", "", block).replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    url, named = f"http://127.0.0.1:{port}", {"Host": HOST}
    with nginx(tmp_path, block):
        await_nginx(url)
        assert requests.get(f"{url}/mlflow/", headers=named, auth=ADMIN, timeout=60).ok
        found = requests.get(
            f"{url}/mlflow/api/2.0/mlflow/experiments/search?max_results=1", headers=named, auth=ADMIN, timeout=60
        )
        assert found.ok, found.text
        assert requests.get(f"{url}/prefect/api/health", headers=named, timeout=60).json() is True
        page = requests.get(f"{url}/prefect/", headers=named, timeout=60)
        assert page.ok
        scripts = re.findall(r'(?:src|href)="(/prefect/[^"]+\.(?:js|css))"', page.text)
        assert scripts
        assert any((team.project / "prefect/ui").iterdir()), "pages of that path are the project's, not the package's"
        assert "/prefect" not in _base_of_the_package(), "where every other server of the installation has its pages"
        assert all(requests.get(url + place, headers=named, timeout=60).ok for place in scripts)
        settings = requests.get(f"{url}/prefect/ui-settings", headers=named, timeout=60).json()
        assert settings["api_url"] == f"https://{HOST}/prefect/api"
        origin = named | {"Origin": f"https://{HOST}"}
        flows = requests.post(f"{url}/prefect/api/flows/filter", json={}, headers=origin, auth=ADA, timeout=60)
        assert flows.ok, flows.text
        assert (
            requests.get(f"{url}/mlflow/", headers={"Host": "evil.example"}, auth=ADMIN, timeout=60).status_code == 403
        )


def _base_of_the_package() -> str:
    """The path that the pages in Prefect's own package were last written for."""
    (package,) = importlib.util.find_spec("prefect").submodule_search_locations  # type: ignore[union-attr,misc]
    written_for = Path(package) / "server/ui_build/UI_SERVE_BASE"
    return written_for.read_text() if written_for.exists() else ""


@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine: apt install systemd"
)
@pytest.mark.parametrize("name", ["ganlib.service", "ganlib-worker.service"])
def test_systemd_takes_the_units(folder: Path, tmp_path: Path, name: str) -> None:
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = (DEPLOY / "systemd" / name).read_text().replace("/opt/ganlib/.venv", str(tmp_path))
    (tmp_path / name).write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / name], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if name in line]) == (0, []), done.stderr


def test_images_are_pinned_and_nothing_but_the_owner_of_a_volume_is_root() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert all(re.search(r":[\w.-]*\d+\.?[\w.-]*$", one["image"]) for one in services.values())
    assert {name for name, one in services.items() if one["user"].startswith("0")} == {"s3-owner"}
    stays = {name for name, one in services.items() if one["restart"] != "no"}
    assert all("healthcheck" in services[name] for name in stays)
    values = [str(value) for one in services.values() for value in one.get("environment", {}).values()]
    assert not [value for value in values if re.search(r"://[^/@]+:[^/@]+@", value)]
