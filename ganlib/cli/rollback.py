"""``ganlib rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import open_project, show, version_number
from ganlib.cli.options import Json, RegisteredModel


def rollback(
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION", help="Refuse unless the champion is still this version number; default: whichever it is."
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")] = "",
    model: RegisteredModel = None,
    as_json: Json = False,
) -> None:
    """Make the version that the champion displaced champion again; once more goes one further back."""
    project, params = open_project()
    from ganlib.jobs.promotion.promote import rollback as job

    entry = job(project, params, model=model, expect=version_number("--expect", expect), reason=reason)
    show(
        entry,
        as_json=as_json,
        text=lambda: (
            f"version {entry.to_version} is champion again in place of {entry.from_version or 'none'} "
            f"(entry {entry.seq} of the ledger)"
        ),
    )
