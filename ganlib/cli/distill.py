"""``ganlib distill``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import open_project, reporting, show
from ganlib.cli.options import Json, Set


def distill(
    model: Annotated[str, typer.Argument(help="The teacher: a version number, an alias or a models:/ URI.")],
    speed: Annotated[
        float, typer.Option(metavar="TIMES", help="Times the teacher's images a second, on one thread here.")
    ] = 3.0,
    budget: Annotated[
        str | None, typer.Option(help="How long to train, a row of `budgets`; default: {train.budget}.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="Go on with an interrupted run of the same teacher.")
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Let the gate decide on it, not only say what it would.")
    ] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Train a student of a version: a narrower generator that draws the same images in less time.

    It becomes a version beside its teacher, with figures and a certificate of its own.
    """
    project, params = open_project(overrides)
    params.require_budget(budget)
    from ganlib.jobs.promotion.distill import distill as job

    with reporting(as_json=as_json) as report:
        result = job(
            project, params, model,
            speed=speed, budget=budget, resume=resume, overrides=overrides or (), put_through=promote, report=report,
        )  # fmt: skip
    show(result, as_json=as_json, text=result.summary)
