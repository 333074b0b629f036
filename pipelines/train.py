"""The flow `train`: one family, trained and evaluated."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from prefect import flow

from ganlib.cli.app import show
from ganlib.cli.options import Budget, Json, Set
from ganlib.core import project as projects
from pipelines import artifacts, names, tasks
from pipelines.launch import launch, sign
from pipelines.limits import limited


@flow(name="train", flow_run_name=names.naming(names.trained), on_running=[sign])
@limited
def train(family: str = "dcgan", budget: str | None = None, overrides: list[str] | None = None) -> dict[str, Any]:
    """Train ``family`` on the current data and evaluate its exported graph.

    Args:
        family: a name that `ganlib families` lists.
        budget: a row of `budgets` in params.yaml; None: `train.budget`.
        overrides: `section.key=value` over params.yaml, recorded in the run.
    """
    root, changes = str(projects.find().root), overrides or []
    _, params = tasks.opened(root, changes)
    run = tasks.train(root, changes, family, budget or params.train.budget, 1, "evaluation")
    evaluation = tasks.evaluate(root, changes, f"runs:/{run['run_id']}")
    artifacts.metrics([run], [evaluation])
    artifacts.samples(root, [run])
    return {"run": run, "evaluation": evaluation}


def command(
    family: Annotated[str, typer.Argument()], budget: Budget = None, overrides: Set = None, as_json: Json = False
) -> None:
    """Train one family as a Prefect flow."""
    result = launch(train, as_json=as_json, family=family, budget=budget, overrides=overrides)
    show(result, as_json=as_json, text=lambda: f"run {result['run']['run_id']}")
