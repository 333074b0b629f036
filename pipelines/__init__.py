"""Prefect flows over ganlib's jobs. A task is three lines round a job; everything works without Prefect as well.

Importing this package settles the environment that Prefect reads when it is imported in turn; what the user has set
stays.
"""

from __future__ import annotations

import json
import os
import sys as _sys
from contextlib import suppress as _suppress
from pathlib import Path as _Path

from ganlib.cli.app import settle_environment as _settle_ganlib
from ganlib.core import processes as _processes
from ganlib.core import progress as _progress
from ganlib.core import project as _projects
from ganlib.core.errors import GanlibError as _GanlibError

LOGIN_FILE = "prefect-auth"
"""In the state folder: one line ``user:password`` that Prefect's server asks for, in its pages and of every client."""

READY = "deployments-ready.json"
"""There, too: appears when all deployments are registered; ``kept`` is what a person changed and so stays."""


def _settle() -> None:
    _settle_ganlib()
    try:
        project = _projects.find()
    except _GanlibError:
        return
    defaults = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
        # An empty database is migrated first, which takes longer than the default of 20 s on a busy machine.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    }
    asked, ours = os.environ.get("PREFECT_API_URL"), None
    try:
        prefect = json.loads((project.state / "services.json").read_text())["prefect"]
        if project.began(prefect) and _processes.find(prefect):
            ours = defaults["PREFECT_API_URL"] = f"{prefect['url']}/api"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no server of ours: Prefect starts a temporary one
    if not asked or asked.replace("//localhost:", "//127.0.0.1:") == ours:  # a stranger is not told our password
        defaults |= login(project.state)
    home = _Path(os.environ.setdefault("PREFECT_HOME", str(project.state / "prefect")))
    with _suppress(OSError):  # whoever needs it says so
        home.mkdir(parents=True, exist_ok=True)
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def login(state: _Path) -> dict[str, str]:
    """Prefect's settings for a server of ours that asks for a password, and for its clients; empty without one."""
    server, client = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"
    try:
        kept = (state / LOGIN_FILE).read_text().strip()
    except OSError:
        kept = ""
    password = os.environ.get(server) or kept or os.environ.get(client)
    return dict.fromkeys((server, client), password) if password else {}


if _sys.argv[:1] == ["-m"]:  # `python -m pipelines.NAME` is being looked up: its imports take seconds
    _progress.watch()
_settle()
