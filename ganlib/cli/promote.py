"""``ganlib promote``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import open_project, show, version_number
from ganlib.cli.options import Json, Set


def promote(
    version: Annotated[str, typer.Argument(help="The challenger: a version number, an alias or a models:/ URI.")],
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Refuse unless the champion is still this version number (0: none); default: whichever it is.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and explain; change nothing.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Decide though a person rolled back from it; the ledger says so.")
    ] = False,
    approve: Annotated[
        bool, typer.Option("--approve", help="As the person who approves: a passed gate waits for nobody else.")
    ] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Put a version through the gate against the champion; exit code 1 if it is refused."""
    project, params = open_project(overrides)
    from ganlib.jobs.promotion.promote import promote as job

    number = version_number("--expect", expect)
    decision = job(project, params, version, expect=number, dry_run=dry_run, again=again, approve=approve)
    show(decision, as_json=as_json, text=decision.summary)
    raise typer.Exit(0 if decision.promoted else 1)
