"""``ganlib retrain``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import open_project, reporting, show
from ganlib.cli.options import Budget, Json, Set


def retrain(
    families: Annotated[
        str | None, typer.Option(help="Names, comma-separated; auto: all that fit the data; default: {train.families}.")
    ] = None,
    budget: Budget = None,
    library: Annotated[bool, typer.Option("--no-prefect", help="As plain library calls, with no Prefect.")] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Data version, training of the families side by side, evaluation, export, registration, gate: the retrain flow."""
    project, params = open_project(overrides)
    from ganlib.cli.flows import start
    from ganlib.families import require_all

    names = (
        params.train.families if families is None else [name.strip() for name in families.split(",") if name.strip()]
    )
    selection = require_all(names)
    params.require_budget(budget)
    if not library:
        start("retrain", families=",".join(selection), budget=budget, overrides=overrides, as_json=as_json)
    from ganlib.jobs.retrain import retrain as job

    with reporting(as_json=as_json) as report:
        result = job(project, params, families=selection, budget=budget, overrides=overrides or [], report=report)
    show(result, as_json=as_json, text=result.decision.summary)
