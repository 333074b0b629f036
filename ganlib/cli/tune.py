"""``ganlib tune``, and the command that runs one of its trials."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import open_project, reporting, show
from ganlib.cli.options import Budget, Json, Set

Family = Annotated[str, typer.Argument(help="A name that `ganlib families` lists.")]


def tune(
    family: Family,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those of an earlier, interrupted call too.")] = 20,
    jobs: Annotated[int, typer.Option(min=1, help="Trials side by side, each a process with its share of cores.")] = 1,
    budget: Budget = None,
    checks: Annotated[
        int, typer.Option(min=1, help="Validation FIDs measured over a trial, each of which may prune it.")
    ] = 5,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Search this option of the space alone (repeatable).")
    ] = None,
    list_space: Annotated[bool, typer.Option("--space", help="Show the search space; try nothing.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Write the best to params.yaml; comments stay.")] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Search a family's options by validation FID with Optuna; the best is a patch for params.yaml.

    Every trial is an MLflow run below one parent. The same command goes on after an interruption.
    """
    from ganlib import families as zoo

    zoo.require(family)
    project, params = open_project(overrides)
    params.require_budget(budget)
    from ganlib.jobs.training import tune as search

    space = search.space(params, family, only or [])
    if list_space:
        width = max(map(len, space), default=0)
        show(
            {name: dimension.model_dump(mode="json") for name, dimension in space.items()},
            as_json=as_json,
            text=lambda: "\n".join(f"{name:{width}} {dimension}" for name, dimension in space.items()),
        )
        return
    with reporting(as_json=as_json) as report:
        result = search.tune(
            project, params, family, trials=trials, jobs=jobs, budget=budget, checks=checks, only=only or [],
            apply=apply, overrides=overrides or [], report=report,
        )  # fmt: skip
    show(result, as_json=as_json, text=result.summary)


def trial(family: Family, budget: Budget = None, overrides: Set = None, as_json: Json = False) -> None:
    """One trial of `ganlib tune`."""
    project, params = open_project(overrides)
    from ganlib.jobs.training import child

    child.watch_lifeline()
    from ganlib.jobs.training.trial import score

    with reporting(as_json=as_json) as report:
        result = score(project, params, family, budget=budget, overrides=overrides or [], report=report)
    show(result, as_json=as_json, text=lambda: f"run {result.run_id}: validation FID {result.fid}")
