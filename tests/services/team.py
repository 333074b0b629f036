"""The servers of deploy/compose.yaml, started by its own settings: PostgreSQL, S3, MLflow with users, Prefect."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.services.compose import DEPLOY, Compose
from tests.services.conftest import free_port
from tests.services.postgres import WHERE, binaries, postgres

SECRETS = {
    "postgres": "a pg pass",
    "s3_user": "testing",
    "s3_password": "testing-testing",
    "mlflow_admin": "correct-horse-battery",
    "mlflow_key": "for-tests",
    "prefect": "ada:not to be seen",
}
ADMIN, ADA = ("admin", SECRETS["mlflow_admin"]), ("ada", "not to be seen")


@contextmanager
def team(folder: Path, serve: Callable[..., None], **prefect_settings: str | None) -> Iterator[Compose]:
    """Run them for the project in ``folder``; ``prefect_settings`` are other than the file's, None: not set."""
    if binaries() is None:
        pytest.skip(f"no PostgreSQL on this machine: {WHERE}")
    with postgres("ganlib", SECRETS["postgres"]) as uri:
        port = urlsplit(uri).port
        assert port
        ports = {"postgres:5432": port, "s3:9000": free_port(), "mlflow:5000": free_port(), "prefect:4200": free_port()}
        made = Compose(folder, SECRETS, ports)
        settings = made.tree["services"]["prefect"]["environment"] | prefect_settings
        made.tree["services"]["prefect"]["environment"] = {key: text for key, text in settings.items() if text}
        _databases(uri)
        s3 = s3_url(made)
        serve(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", s3.rpartition(":")[2]],
            f"{s3}/moto-api/",
            folder,
        )
        made.run("bucket")
        made.run("bucket")  # which is there by then
        made.serve(serve, "mlflow", f"{mlflow_url(made)}/health")
        made.serve(serve, "prefect", f"{prefect_url(made)}/health")
        yield made


def _databases(uri: str) -> None:
    import psycopg2

    connection = psycopg2.connect(uri, password=SECRETS["postgres"])
    connection.autocommit = True
    connection.cursor().execute((DEPLOY / "databases.sql").read_text())
    connection.close()


def s3_url(made: Compose) -> str:
    """Where its S3 listens."""
    return f"http://127.0.0.1:{made.ports['s3:9000']}"


def mlflow_url(made: Compose) -> str:
    """Where its MLflow is."""
    return made.environment("worker")["GANLIB_SERVICES_MLFLOW"]


def prefect_url(made: Compose) -> str:
    """Where its Prefect's API is."""
    return made.environment("worker")["GANLIB_SERVICES_PREFECT"]


def worker_environment(made: Compose) -> dict[str, str]:
    """What a process beside these servers is given; DVC's remote is a folder of the project."""
    return made.environment("worker") | {"GANLIB_SERVICES_DVC_REMOTE": "null"}
