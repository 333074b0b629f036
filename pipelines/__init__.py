"""Prefect flows over ganlib's jobs. A task is three lines round a job; everything works without Prefect as well.

Importing this package settles the environment that Prefect reads when it is imported in turn; what the user has set
stays.
"""

from __future__ import annotations

import json
import os
import sys as _sys
from pathlib import Path as _Path

from ganlib import processes as _processes
from ganlib import progress as _progress
from ganlib import project as _projects
from ganlib.cli.app import settle_environment as _settle_ganlib
from ganlib.errors import GanlibError as _GanlibError


def _settle() -> None:
    _settle_ganlib()
    try:
        state = _projects.find().state
    except _GanlibError:
        return
    defaults = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
        # An empty database is migrated first, which takes longer than the default of 20 s on a busy machine.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    }
    try:
        prefect = json.loads((state / "services.json").read_text())["prefect"]
        if _processes.find(prefect["pid"], prefect["started"]):
            defaults["PREFECT_API_URL"] = f"{prefect['url']}/api"
    except (OSError, ValueError, KeyError):
        pass  # no server of ours: Prefect starts a temporary one
    _Path(os.environ.setdefault("PREFECT_HOME", str(state / "prefect"))).mkdir(parents=True, exist_ok=True)
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


if _sys.argv[:1] == ["-m"]:  # `python -m pipelines.NAME` is being looked up: its imports take seconds
    _progress.watch()
_settle()
