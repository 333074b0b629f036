"""``ganlib restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import output_path, reporting, show
from ganlib.cli.options import Json
from ganlib.core import project as projects


def restore(
    folder: Annotated[Path, typer.Argument(help="What `ganlib backup` has made.")], as_json: Json = False
) -> None:
    """Bring a backup into a fresh clone: every version with its bytes, the ledgers, and the data version.

    A project that has a registry is left as it is (exit code 2), and so is all where a file of the backup is damaged.
    """
    project = projects.find()
    from ganlib.jobs.recovery.restore import restore as job

    with reporting(as_json=as_json) as report:
        done = job(project, output_path(folder), report)
    show(done, as_json=as_json, text=done.summary)
