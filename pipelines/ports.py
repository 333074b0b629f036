"""Ports of loopback: a free one, and whose one is that is taken."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import psutil

from ganlib.core.errors import BadInput

HOST = "127.0.0.1"
_TITLES = {"mlflow": "MLflow", "prefect": "Prefect"}


def choose(port: int, name: str, before: str | None = None) -> int:
    """Return the port to serve ``name`` (mlflow or prefect) on: ``port``, or for 0 a free one.

    Args:
        port: what the settings say.
        name: of the service.
        before: the URL that it had last; for port 0 the same port is taken if it is free, so that clients stay right.

    Raises:
        BadInput: another program has it; whose one it is and how to go on is told.
    """
    if port == 0:
        last = int(before.rpartition(":")[2]) if before else 0
        return last if last and _is_free(last) else _any()
    if not _is_free(port):
        variable = f"{name.upper()}_PORT"
        raise BadInput(
            f"port {port} is taken by {_owner(port)}. Choose another one: make up {variable}=auto "
            f"(or {variable}={_any()}, GANLIB_SERVICES_{variable}, services.{name}_port in params.yaml)."
        )
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _any() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _owner(port: int) -> str:
    """Who listens on ``port``, in words."""
    listener = _listener(port)
    if listener is None:
        return "another program (of another user, or one that has just ended)"
    try:
        folder = Path(listener.cwd())
        if service := _service(listener, folder):
            return f"{service} of the project in {folder} (pid {listener.pid}; stop it there with: make down)"
        return f"another program: {listener.name()} (pid {listener.pid}, in {folder})"
    except psutil.Error:
        return f"another program (pid {listener.pid})"


def _listener(port: int) -> psutil.Process | None:
    """The process that listens on ``port``; None if the system does not say."""
    try:
        connections = psutil.net_connections(kind="tcp")
        return next(
            psutil.Process(one.pid)
            for one in connections
            if one.pid and one.status == psutil.CONN_LISTEN and one.laddr and one.laddr[1] == port
        )
    except (psutil.Error, OSError, StopIteration):
        return None


def _service(process: psutil.Process, folder: Path) -> str | None:
    """Which service of the project in ``folder`` a process is, or belongs to."""
    try:
        state: dict[str, Any] = json.loads((folder / ".ganlib" / "services.json").read_text())
        family = {process.pid, *(parent.pid for parent in process.parents())}
        return next(_TITLES.get(name, str(name)) for name, entry in state.items() if entry["pid"] in family)
    except (OSError, ValueError, KeyError, AttributeError, StopIteration):
        return None
