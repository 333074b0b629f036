"""``ganlib doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import reporting, show
from ganlib.cli.options import Json
from ganlib.core import project as projects


def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="Also do what is safe: end runs that were killed, restore what is damaged.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read all of the data version back from DVC's remote, not a sample of it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Look at packages, machine, data, registry and servers, and say what cures what is wrong.

    Exit code 1 if something is.
    """
    from ganlib.jobs.doctor.doctor import doctor as job

    project = projects.find()
    with reporting(as_json=as_json) as report:
        diagnosis = job(project, fix=fix, deep=deep, report=report)
    show(diagnosis, as_json=as_json, text=diagnosis.summary)
    raise typer.Exit(0 if diagnosis.ok else 1)
