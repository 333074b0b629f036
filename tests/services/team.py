"""The servers of a team, started by the settings of deploy/compose.yaml without containers, and two machines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest
import requests
import yaml

from ganlib.core.project import Project
from ganlib.tracking.store import MlflowStore, connect
from tests.services import project as projects
from tests.services.compose import DEPLOY, Compose
from tests.services.conftest import free_port, serving
from tests.services.postgres import WHERE, Server, binaries, postgres
from tests.services.s3 import ask, user
from tests.services.wire import Wire
from tests.support.forks import Command

SECRETS = {
    "postgres": "a pg pass",
    "mlflow_admin": "correct-horse-battery",
    "mlflow_key": "for-tests",
    "prefect": "ada:not to be seen",
}
ADMIN, ADA = ("admin", SECRETS["mlflow_admin"]), ("ada", "not to be seen")


class Servers(NamedTuple):
    """All of them, while they run."""

    compose: Compose
    s3: Wire
    """The way to it."""
    database: Server
    serve: Callable[..., None]
    """Starts a server, as :func:`tests.services.conftest.serving` does."""


@contextmanager
def servers(folder: Path, **prefect: str) -> Iterator[Servers]:
    """Start PostgreSQL with its password, S3, MLflow with its users and Prefect with its password, for a project.

    Settings of Prefect's server that are given as ``prefect`` hold in place of the file's.
    """
    if binaries() is None:
        pytest.skip(f"no PostgreSQL on this machine: {WHERE}")
    with postgres("ganlib", SECRETS["postgres"]) as database, serving(folder) as serve:  # ended in the other order
        yield from _started(folder, database, serve, prefect)


def _started(
    folder: Path, database: Server, serve: Callable[..., None], settings: Mapping[str, str]
) -> Iterator[Servers]:
    port, s3_port = urlsplit(database.uri).port, free_port()
    assert port
    s3 = f"http://127.0.0.1:{s3_port}"
    serve([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(s3_port)], f"{s3}/moto-api/", folder)
    keys, wire = _keys(s3), Wire(s3_port)
    ports = {"postgres:5432": port, "s3:9000": wire.port, "mlflow:5000": free_port(), "prefect:4200": free_port()}
    made = Compose(folder, SECRETS | keys, ports)
    made.tree["services"]["prefect"]["environment"] |= settings
    _databases(database.uri)
    made.run("bucket")
    made.run("bucket")  # which is there by then
    made.serve(serve, "mlflow", f"{mlflow(made)}/health")
    made.serve(serve, "prefect", f"{prefect(made)}/health")
    yield Servers(made, wire, database, serve)
    wire.cut()


def _keys(url: str) -> dict[str, str]:
    """The secrets of the one whom S3 at ``url`` lets do something from now on."""
    nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nobody", "region_name": "us-east-1"}
    made = user("ganlib", "s3:*", endpoint_url=url, **nobody)
    ask(url, asks=True)
    return {"s3_user": made["AWS_ACCESS_KEY_ID"], "s3_password": made["AWS_SECRET_ACCESS_KEY"]}


def _databases(uri: str) -> None:
    import psycopg2

    connection = psycopg2.connect(uri, password=SECRETS["postgres"])
    connection.autocommit = True
    connection.cursor().execute((DEPLOY / "databases.sql").read_text())
    connection.close()


def mlflow(team: Compose) -> str:
    """URL of MLflow."""
    return team.environment("worker")["GANLIB_SERVICES_MLFLOW"]


def prefect(team: Compose) -> str:
    """URL of Prefect's API."""
    return team.environment("worker")["GANLIB_SERVICES_PREFECT"]


class Team:
    """Two machines, each with a clone and a state of its own, and the servers that they share."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        """The clones are made in ``folder``."""
        self.compose, self.s3, self.database, self._serve = servers
        self.machines = [_clone(folder / name) for name in ("one", "two")]
        self.environment = self.compose.environment("worker") | {"GANLIB_SERVICES_DVC_REMOTE": "null"}
        self.uri = mlflow(self.compose)

    def restart_prefect(self) -> None:
        """Kill Prefect's server, and start it again where it was."""
        (server,) = {
            psutil.Process(each.pid)
            for each in psutil.net_connections("tcp")
            if each.status == "LISTEN" and each.laddr.port == self.compose.ports["prefect:4200"]
        }
        kill(*server.children(recursive=True), server)
        self.compose.serve(self._serve, "prefect", f"{prefect(self.compose)}/health")

    def begin(self, machine: Path, *words: str, typed: bool = False, **more: str) -> Command:
        """Start ``python -m WORDS`` on a machine."""
        return Command(words, machine, projects.environment(machine) | self.environment | more, typed=typed)

    def run(self, machine: Path, *words: str, **more: str) -> CompletedProcess[str]:
        """Run ``python -m WORDS`` on a machine."""
        return projects.run(machine, *words, **self.environment | more)

    def store(self) -> MlflowStore:
        """MLflow, as its admin sees it."""
        return connect(Project(self.machines[0]), self.uri)

    def ask_mlflow(self, verb: str, path: str, **body: object) -> None:
        """What an admin of MLflow asks of it."""
        answer = requests.request(verb, f"{self.uri}/api/2.0/mlflow/{path}", json=body, auth=ADMIN, timeout=60)
        assert answer.ok, answer.text

    def ask_prefect(self, verb: str, path: str, body: object = None) -> Any:
        """What Prefect's page asks."""
        return projects.ask_prefect(prefect(self.compose).removesuffix("/api"), verb, path, body, ADA)

    def flow_runs(self, **where: object) -> dict[str, str]:
        """The states of flow runs by their ids."""
        found = self.ask_prefect("POST", "flow_runs/filter", {"flow_runs": where})
        return {run["id"]: run["state_type"] for run in found}


def _clone(folder: Path) -> Path:
    """One whose trainings are small."""
    made = projects.make(folder)
    params = yaml.safe_load((made / "params.yaml").read_text())
    params["families"]["vae"] = {"channels": 8, "batch_size": 32, "latent_dim": 8}
    params["train"] |= {"checks": 0, "log_every": 1}
    params["services"]["reconcile_seconds"] = 1
    (made / "params.yaml").write_text(yaml.safe_dump(params))
    return made


def wait_for(condition: Callable[[], Any]) -> Any:
    """What ``condition`` gives, once that is something."""
    deadline = time.monotonic() + 900
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)
    return found


def kill(*processes: psutil.Process) -> None:
    """Kill them, and wait until they are gone."""
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=300)
