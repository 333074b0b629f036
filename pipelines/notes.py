"""What `make up` says besides the URLs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ganlib.config import ServicesConfig
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from pipelines.environment import LOGIN_FILE, READY

State = dict[str, dict[str, Any]]


def require_private(file: Path) -> None:
    """Raise :class:`BadInput` if others may read the file that holds Prefect's password."""
    if file.is_file() and file.stat().st_mode & 0o077:
        raise BadInput(f"others may read the password in {file}: chmod 600 {file}. Nothing was started.")


def left_as_is(project: Project, state: State, before: State) -> list[str]:
    """Return what a person changed in Prefect's page and the deployments that were just started left as it is."""
    if state.get("deployments") == before.get("deployments"):
        return []
    return [str(line) for line in json.loads((project.state / READY).read_text())["kept"]]


def not_moved(settings: ServicesConfig, before: State) -> list[str]:
    """Return what ran already, somewhere else than the settings say now."""
    ports = {"mlflow": settings.mlflow_port, "prefect": settings.prefect_port}
    teams = {"mlflow": settings.mlflow, "prefect": settings.prefect}
    return [
        f"{name} was running already, on {before[name]['url']}; for {teams[name] or f'port {port}'}: make down, then "
        "the same again"
        for name, port in ports.items()
        if name in before and (teams[name] or (port and not before[name]["url"].endswith(f":{port}")))
    ]


def export(project: Project, api: str) -> str:
    """Return the line that lets Prefect's own command line find the server, and its password where there is one."""
    line = f"for Prefect's own command line: export PREFECT_API_URL={api}"
    file = project.state / LOGIN_FILE
    return f'{line} PREFECT_API_AUTH_STRING="$(cat {file})"' if file.is_file() else line
