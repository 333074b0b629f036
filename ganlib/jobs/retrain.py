"""The main job: data version to a decided version, as one library call.

Prefect's flow (pipelines/retrain.py) calls the same pieces as tasks of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation.evaluate import Evaluation
from ganlib.families import fitting, require_all
from ganlib.jobs.data.judge import judge_for
from ganlib.jobs.data.version_data import version_data
from ganlib.jobs.measuring.evaluate import evaluate
from ganlib.jobs.promotion.promote import promote, register
from ganlib.jobs.training import child
from ganlib.jobs.training.launch import train_once
from ganlib.jobs.training.train import TrainResult
from ganlib.registry.gate import Decision
from ganlib.registry.version import Version
from ganlib.tracking.store import connect


class RetrainResult(Record):
    """What a retraining made and decided."""

    data: DataVersion
    runs: tuple[TrainResult, ...]
    evaluations: dict[str, Evaluation]
    """By run id."""
    version: Version
    decision: Decision


def retrain(
    project: Project,
    params: Params,
    *,
    families: Sequence[str] | None = None,
    budget: str | None = None,
    overrides: Sequence[str] = (),
    data: DataVersion | None = None,
    report: Report = silent,
) -> RetrainResult:
    """Version the data, train ``families`` side by side, evaluate each, register the best, put it through the gate.

    After a failure between training and registration the same call takes the runs that are there. ``data`` is the data
    version where it was made just now.
    """
    names = require_all(families or params.train.families)
    params.require_budget(budget)
    connect(project)  # an MLflow that is away is found out now, not after an hour of training
    data = data or version_data(project, report=report)
    fits = fitting(names, data.spec)
    judge_for(project, params, data, report)  # one that is missing is trained before the families, and not by each
    with ThreadPoolExecutor(len(fits)) as pool, child.ended_together():
        runs = tuple(
            pool.map(
                lambda family: train_once(
                    project,
                    params,
                    family,
                    budget=budget,
                    concurrent=len(fits),
                    overrides=overrides,
                    report=report,
                ),
                fits,
            )
        )
    evaluations = {run.run_id: evaluate(project, params, f"runs:/{run.run_id}", report=report) for run in runs}
    best = best_run(evaluations)
    version = register(project, params, best, evaluations[best], candidates=len(evaluations), report=report)
    decision = promote(project, params, str(version.version))
    return RetrainResult(data=data, runs=runs, evaluations=evaluations, version=version, decision=decision)


def best_run(evaluations: Mapping[str, Evaluation]) -> str:
    """Return the run id with the lowest FID, or KID of few images. A figure that is not a number is no candidate.

    Raises:
        BadInput: there is none.
    """
    figures = {run_id: evaluation.figures[evaluation.deciding].value for run_id, evaluation in evaluations.items()}
    sound = {run_id: value for run_id, value in figures.items() if math.isfinite(value)}
    if not sound:
        raise BadInput("no run has a FID or KID that is a number, so there is none to register.")
    return min(sound, key=sound.__getitem__)
