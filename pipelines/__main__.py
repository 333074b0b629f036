"""``python -m pipelines NAME ...``: run a flow as a command, or a server."""

from __future__ import annotations

import sys
from importlib import import_module

from ganlib.cli.app import fail
from ganlib.core import progress
from ganlib.core.errors import GanlibError, unknown
from pipelines import environment

FLOWS = ("version_data", "train", "retrain", "promote", "reconcile", "generate", "demo")
SERVERS = ("services", "serve", "supervisor", "prefect_server", "temporary", "with_secrets")


def main() -> None:
    """Prepare the environment and only then import the module that the first word names: its imports take seconds."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in FLOWS + SERVERS:
        problem = unknown("command of python -m pipelines:", name, FLOWS + SERVERS)
        fail(str(problem), problem.exit_code)
    progress.watch()
    try:
        environment.prepare()
    except GanlibError as error:
        fail(str(error), error.exit_code)
    module = import_module(f"pipelines.{name}")
    del sys.argv[1]
    if name in FLOWS:
        from pipelines.launch import run_command

        run_command(module.command, f"python -m pipelines {name}")
    else:
        module.main()


if __name__ == "__main__":
    main()
