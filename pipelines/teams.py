"""Servers that `make up` does not start itself, a team's: what they must be before anything is started beside them."""

from __future__ import annotations

from importlib.metadata import version
from typing import NamedTuple

import requests
from packaging.version import InvalidVersion, Version

from ganlib.config import ServicesConfig
from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.project import Project
from ganlib.core.proxies import through
from ganlib.tracking.server import server_version
from ganlib.tracking.store import connect
from pipelines.environment import LOGIN_FILE, login
from pipelines.notes import State

_NOTHING = "Nothing was started."


class ServerUrls(NamedTuple):
    """Where the flows find their servers."""

    mlflow: str
    prefect: str
    """Of its API."""


def addresses(settings: ServicesConfig, state: State) -> ServerUrls:
    """Return where the servers are: a team's where ``settings`` name one, else that of ``state``."""
    return ServerUrls(**apis(settings, state))


def apis(settings: ServicesConfig, state: State) -> dict[str, str]:
    """Return the same by name, without those of ours that are not in ``state``."""
    urls = {"mlflow": settings.mlflow, "prefect": settings.prefect}
    ours = {name: state[name]["url"] + ("/api" if name == "prefect" else "") for name in urls if name in state}
    return ours | {name: url for name, url in urls.items() if url}


def entries(settings: ServicesConfig) -> State:
    """Return the team's servers, as far as they are used, as `make up` shows them."""
    urls = {"mlflow": settings.mlflow, "prefect": settings.prefect}
    return {name: {"url": url} for name, url in urls.items() if url}


def require(project: Project, settings: ServicesConfig) -> None:
    """Check that each server or database of others answers, takes our login, and is one that we can work with.

    Raises:
        Unavailable: it does not answer.
        BadInput: it refuses the login, lacks a database, or is of another version.
    """
    if settings.mlflow:
        store = connect(project, settings.mlflow)
        require_version("MLflow", settings.mlflow, server_version(store), version("mlflow"))
    elif settings.mlflow_database:
        connect(project, settings.mlflow_database)
    if settings.prefect:
        require_version("Prefect", settings.prefect, _prefect_version(project, settings.prefect), version("prefect"))
    elif settings.database:
        _require_database(settings.database, "prefect")


def require_version(name: str, url: str, theirs: str, ours: str) -> None:
    """Check that a server is of our release or a later one of the same major version, as both projects ask for.

    Raises:
        BadInput: it is not, or tells no version at all.
    """
    try:
        there, here = Version(theirs), Version(ours)
    except InvalidVersion:
        raise BadInput(f"{name} at {url} does not say its version: is it {name}? {_NOTHING}") from None
    if there.major != here.major or there.minor < here.minor:
        raise BadInput(
            f"{name} at {url} is version {theirs}, and this project has {ours}: the server must be of version "
            f"{here.major}.{here.minor} or a later {here.major}. {_NOTHING}"
        )


def _prefect_version(project: Project, url: str) -> str:
    password = login(project.state).get("PREFECT_API_AUTH_STRING", "")
    user, _, secret = password.partition(":")
    try:
        answer = requests.get(f"{url}/admin/version", auth=(user, secret) if password else None, timeout=10)
    except requests.RequestException as error:
        raise Unavailable(
            f"Prefect at {url}{through(url)} does not answer ({type(error).__name__}): is services.prefect right? "
            + _NOTHING
        ) from error
    if answer.status_code in (401, 403):
        raise BadInput(
            f"Prefect at {url} refuses this login ({answer.status_code}): put its user:password into "
            f"{project.state / LOGIN_FILE}, or set PREFECT_API_AUTH_STRING. {_NOTHING}"
        )
    if answer.status_code >= 500:
        raise Unavailable(f"Prefect at {url} answers {answer.status_code}; try again. {_NOTHING}")
    return answer.text.strip().strip('"') if answer.ok else ""


def _require_database(server: str, name: str) -> None:
    try:
        import psycopg2
    except ImportError:
        raise BadInput(f"services.database takes: pip install 'ganlib[team]'. {_NOTHING}") from None
    try:
        psycopg2.connect(f"{server}/{name}", connect_timeout=10).close()
    except psycopg2.OperationalError as error:
        words = " ".join(str(error).split())
        lasting = "password" in words or "does not exist" in words or "pg_hba" in words
        raise (BadInput if lasting else Unavailable)(f"PostgreSQL at {server}/{name}: {words}. {_NOTHING}") from None
