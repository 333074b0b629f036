"""``ganlib costs``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from ganlib.cli.app import open_project, say, show
from ganlib.cli.options import Json, Set
from ganlib.core.errors import BadInput


def costs(
    month: Annotated[str | None, typer.Option(help="Only this one, such as 2026-11; default: all.")] = None,
    by: Annotated[
        Literal["family", "version", "user"], typer.Option(help="What a row is of: family, version or user.")
    ] = "family",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Add up what runs and batches cost, by month: hours, processor and GPU hours, energy, and money by costs.* prices.

    Prices are in params.yaml; without them no amounts are told.
    """
    if as_csv and as_json:
        raise BadInput("--csv and --json are two forms of one table: choose one.")
    project, params = open_project(overrides)
    from ganlib.jobs.observation.costs import cost_table

    table = cost_table(project, params, by=by, month=month)
    if as_csv:
        say(table.csv().rstrip())
    else:
        show(table, as_json=as_json, text=table.summary)
