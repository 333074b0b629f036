"""The flow `retrain`: data, training of the families side by side, evaluation, registration of the best, the gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from prefect import flow, get_run_logger

from ganlib import families as zoo
from ganlib.cli.app import show
from ganlib.cli.options import Budget, Json, Set
from ganlib.core import project as projects
from ganlib.data.spec import DatasetSpec
from ganlib.evaluation.evaluate import Evaluation
from ganlib.jobs.retrain import best_run
from ganlib.jobs.training import child
from ganlib.jobs.triggers.look import parse
from ganlib.jobs.triggers.run import NO_CAUSE, Preparation
from ganlib.jobs.triggers.start import started
from ganlib.registry.gate import Decision
from ganlib.tracking.store import connect
from pipelines import artifacts, names, tasks
from pipelines.launch import launch, prefect_answering, sign
from pipelines.limits import limited


def split(families: list[str] | str | None) -> list[str]:
    """``families`` as a list: ``dcgan,vae`` is one, too."""
    parts = families.split(",") if isinstance(families, str) else families or []
    return [name.strip() for name in parts if name.strip()]


@flow(name="retrain", flow_run_name=names.naming(names.trained), on_running=[sign])
@limited
def retrain(
    families: list[str] | str | None = None,
    budget: str | None = None,
    overrides: list[str] | None = None,
    causes: list[str] | None = None,
) -> dict[str, Any]:
    """From the data version to a decided version of the registered model.

    Args:
        families: names that `ganlib families` lists, or `dcgan,vae`, or `auto` for all that fit the data;
            None: `train.families` of params.yaml.
        budget: a row of `budgets` in params.yaml; None: `train.budget`.
        overrides: `section.key=value` over params.yaml, recorded in the runs.
        causes: why, as `data` or `data: in words`; what was done before is then not done again (docs/triggers.md).
            None: a person asks for it.
    """
    others = parse(causes or ())
    root, changes = str(projects.find().root), overrides or []
    project, params = tasks.opened(root, changes)
    selection = zoo.require_all(split(families) or params.train.families)
    limits = params.require_budget(budget)
    connect(project)  # an MLflow that is away is found out now, not after an hour of training
    ready = None
    if causes is not None:
        ready = Preparation.model_validate(tasks.prepare(root, changes, [str(cause) for cause in others]))
        if not ready.causes:
            return _nothing(NO_CAUSE, ready)
        names.tag(f"cause:{cause.name}" for cause in ready.causes)
    data = tasks.version_data(root, changes)
    project, params = tasks.opened(root, changes)  # the inbox may have made another source
    causes_there = ready.causes if ready else None
    with started(project, params, selection, limits, data["md5"], causes_there) as start, prefect_answering():
        if start.why_not:
            return _nothing(start.why_not, ready)
        result = _trained(root, changes, selection, limits, data)
        start.detail = _outcome(result["version"], result["decision"])
    return {"data": data, "preparation": ready and ready.model_dump(mode="json"), **result}


def _trained(
    root: str, changes: list[str], selection: Sequence[str], limits: str, data: dict[str, Any]
) -> dict[str, Any]:
    """Train ``selection`` on ``data``, register the best, and have the gate decide."""
    fits = zoo.fitting(selection, DatasetSpec.model_validate(data["spec"]))
    tasks.judge(root, changes)
    with child.ended_together():
        futures = [tasks.train.submit(root, changes, family, limits, len(fits)) for family in fits]
        runs = [future.result() for future in futures]
    evaluations = [tasks.evaluate(root, changes, f"runs:/{run['run_id']}") for run in runs]
    artifacts.metrics(runs, evaluations)
    artifacts.samples(root, runs)
    figures = {r["run_id"]: Evaluation.model_validate(e) for r, e in zip(runs, evaluations, strict=True)}
    best = best_run(figures)
    version = tasks.register(root, changes, best, figures[best].model_dump(mode="json"), len(figures))
    decision = tasks.promote(root, changes, str(version["version"]))
    artifacts.gate(decision)
    artifacts.mlflow_links(root, runs, version)
    names.rename(f"retrain {' + '.join(fits)} ({limits}): {_outcome(version, decision)}")
    return {"runs": runs, "evaluations": evaluations, "version": version, "decision": decision}


def _outcome(version: dict[str, Any], decision: dict[str, Any]) -> str:
    return f"version {version['version']} {Decision.model_validate(decision).outcome}"


def _nothing(why_not: str, ready: Preparation | None) -> dict[str, Any]:
    """End a run that there is nothing to do for."""
    names.rename("retrain: nothing to do")
    get_run_logger().info("nothing to do: %s", why_not)
    return {"preparation": ready and ready.model_dump(mode="json"), "why_not": why_not, "decision": None}


def command(
    families: Annotated[str | None, typer.Option(help="Comma-separated names.")] = None,
    budget: Budget = None,
    cause: Annotated[list[str] | None, typer.Option(help="Why; without one it is yours, and always begun.")] = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Retrain as a Prefect flow."""
    result = launch(retrain, as_json=as_json, families=families, budget=budget, overrides=overrides, causes=cause)
    show(result, as_json=as_json, text=lambda: _text(result))


def _text(result: dict[str, Any]) -> str:
    """Of a retraining's end, for people."""
    if result["decision"] is None:
        return f"nothing to do: {result['why_not']}"
    return Decision.model_validate(result["decision"]).summary()
