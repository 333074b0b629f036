"""``ganlib backup``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlib.cli.app import output_folder, reporting, show
from ganlib.cli.options import Json
from ganlib.core import project as projects


def backup(
    folder: Annotated[
        Path, typer.Argument(help="A folder: absent, empty, or an earlier backup, which is brought up to date.")
    ],
    as_json: Json = False,
) -> None:
    """Copy registry, ledgers, models, checkpoints and data versions to a folder, while servers run. No keys go along.

    Exit code 1 if a version's graph or an object of DVC is not in it because it is gone or damaged here.
    """
    place, project = output_folder(folder), projects.find()
    from ganlib.jobs.recovery.backup import backup as job

    with reporting(as_json=as_json) as report:
        done = job(project, place, report)
    show(done, as_json=as_json, text=done.summary)
    raise typer.Exit(1 if done.gaps else 0)
