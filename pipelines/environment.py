"""What the environment of a process of ours says before Prefect is imported, which reads it then and never again."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from ganlib import config
from ganlib.cli.app import set_environment_defaults
from ganlib.config import ServicesConfig
from ganlib.core import processes, secret_files
from ganlib.core import project as projects
from ganlib.core.errors import GanlibError
from ganlib.core.project import Project

LOGIN_FILE = "prefect-auth"
"""In the state folder: one line ``user:password`` that Prefect's server asks for, in its pages and of every client."""

READY = "deployments-ready.json"
"""There, too: appears when all deployments are registered; ``kept`` is what a person changed and so stays."""

_DATABASE = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")  # one thing, two names
_DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
    # An empty database is migrated first, which takes longer than the default of 20 s on a busy machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    # Its server says 500 while its PostgreSQL starts anew. A flow waits for a minute, as it does for a server that is
    # away, and does not lose hours of training to it.
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
}


def prepare() -> None:
    """Set what ganlib and Prefect read from the environment: which server, its password, and its database.

    The server is the one that ``services.prefect`` names, else that of `make up`, if it runs. What the user has set
    stays. Outside a project, Prefect is left as it is.

    Raises:
        BadInput: the file of a secret cannot be read.
    """
    set_environment_defaults()
    secret_files.read()
    try:
        project = projects.find()
    except GanlibError:
        return
    defaults, server, ours = dict(_DEFAULTS), os.environ.get("PREFECT_API_URL"), None
    settings = ServicesConfig()
    with suppress(GanlibError):  # the command itself says what is wrong, and `make down` needs no settings
        settings = config.servers(project)
    if (url := settings.prefect or _served(project)) is not None:  # else Prefect starts a temporary one
        ours = defaults["PREFECT_API_URL"] = url
    if settings.prefect_database and not any(map(os.environ.get, _DATABASE)):
        defaults[_DATABASE[0]] = settings.prefect_database
    if not server or server.replace("//localhost:", "//127.0.0.1:") == ours:  # a stranger is not told our password
        defaults |= login(project.state)
    home = Path(os.environ.setdefault("PREFECT_HOME", str(project.state / "prefect")))
    with suppress(OSError):  # whoever needs it says so
        home.mkdir(parents=True, exist_ok=True)
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def _served(project: Project) -> str | None:
    """URL of the API that `make up` started, if its process still lives."""
    try:
        prefect = json.loads((project.state / "services.json").read_text())["prefect"]
        alive = project.began(prefect) and processes.find(prefect)
        return f"{prefect['url']}/api" if alive else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def login(state: Path) -> dict[str, str]:
    """Return Prefect's settings for a server of ours that asks for a password, and for its clients; empty without."""
    server, client = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"
    try:
        password_here = (state / LOGIN_FILE).read_text().strip()
    except OSError:
        password_here = ""
    password = os.environ.get(server) or password_here or os.environ.get(client)
    return dict.fromkeys((server, client), password) if password else {}
