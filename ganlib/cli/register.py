"""``ganlib register``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import open_project, reporting, show
from ganlib.cli.options import Json, Set


def register(
    run_id: Annotated[str, typer.Argument(help="The run whose graph becomes a version: its id, or runs:/ID.")],
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Evaluate a run's graph and make it a version of the registered model, as challenger."""
    project, params = open_project(overrides)
    from ganlib.jobs.measuring.evaluate import evaluate as measure
    from ganlib.jobs.promotion.promote import register as job

    run_id = run_id.removeprefix("runs:/")
    with reporting(as_json=as_json) as report:
        version = job(
            project, params, run_id, measure(project, params, f"runs:/{run_id}", report=report), report=report
        )
    show(
        version,
        as_json=as_json,
        text=lambda: f"version {version.version} of {version.name}: {version.family}, FID {version.fid}",
    )
