"""Trainings that were finished and then not used, as what followed failed: the same command goes on from there."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from ganlib import families
from ganlib.config import Params
from ganlib.core.events import Remark
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.export.onnx import Certificate
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.models import fetch
from ganlib.jobs.training.parent import find_parent
from ganlib.jobs.training.session import CODE_TAG, code_sha256, flat, shape
from ganlib.jobs.training.train import TrainResult
from ganlib.registry.registry import Registry
from ganlib.tracking import history
from ganlib.tracking.history import RunRecord
from ganlib.tracking.store import MlflowStore, connect

Service = Literal["evaluation", "registration"]
"""What a training is for: a retraining registers one of its models, a training by itself is evaluated."""
_LOOKED_AT = 100  # runs of a family, the newest first


def unused(
    project: Project,
    params: Params,
    family: str,
    *,
    budget: str | None = None,
    serves: Service = "registration",
    report: Report = silent,
) -> TrainResult | None:
    """Return the newest finished training of ``family`` by these settings and code that served no command yet.

    It is there where what followed failed or was ended: nothing was registered since it ended or, if it ``serves`` an
    evaluation alone, it has none. None if there is none.

    Raises:
        BadInput: unknown family or budget; no verified data.
        Unavailable: MLflow cannot be reached.
    """
    store, data = connect(project), current_data(project)
    options = families.for_data(params, family, data.spec, data.counts["train"])
    parent = find_parent(project, params, family, data.spec)
    config = flat(shape(params, family, params.limits(family, budget), options, data, parent))
    values = {name: str(value) for name, value in config.items()}
    for run in islice(history.of_family(store, params.registry.experiment, family), _LOOKED_AT):
        if not _fits(run, values) or not history.has_graph(store, run.id):
            continue
        if _used(project, params, run, serves):
            return None
        result = _result(project, params, store, run)
        if result:
            when = f" at {run.end.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if run.end else ""
            remark = (
                f"run {run.id} of the same settings, seed, data and code ended{when} and no command has used it yet: "
                "going on from its evaluation (to train anew: --set train.seed=N)"
            )
            report.event(Remark(f"train {family}", {"trained already": remark}))
            return result
    return None


def finished(project: Project, params: Params, run_id: str) -> TrainResult | None:
    """Return what the training of ``run_id`` gave, if it came to its end.

    Raises:
        BadInput: there is no such run.
        Unavailable: MLflow cannot be reached.
    """
    store = connect(project)
    run = history.read(store, run_id)
    return _result(project, params, store, run) if run.status == "FINISHED" else None


def _used(project: Project, params: Params, run: RunRecord, serves: Service) -> bool:
    """Whether the command that trained it came to its end: a model was registered since, or it was evaluated."""
    if serves == "evaluation":
        return "fid" in run.metrics
    versions = Registry(connect(project), params.registry.model).versions()
    return run.end is None or any(datetime.fromisoformat(each.created) >= run.end for each in versions)


def _fits(run: RunRecord, values: dict[str, str]) -> bool:
    return (
        run.status == "FINISHED"
        and run.tags.get(CODE_TAG) == code_sha256()
        and all(run.params.get(name) == value for name, value in values.items())
        and math.isfinite(run.metrics.get("fid", 0.0))  # a model whose figures are no numbers is not tried again
    )


def _result(project: Project, params: Params, store: MlflowStore, run: RunRecord) -> TrainResult | None:
    """What :func:`ganlib.jobs.training.train.train` gave; None if somebody has taken a part of it away."""
    steps = history.last_step(store, run.id, "train_seconds")
    parity = history.text(store, run.id, "onnx/parity.json")
    if steps is None or parity is None:
        return None
    model = fetch(project, params, f"runs:/{run.id}")
    return TrainResult(
        run_id=run.id,
        family=run.family or "",
        steps=steps,
        seconds=run.metrics["train_seconds"],
        images=steps * int(run.params["batch_size"]),
        onnx=model.path,
        sha256=model.sha256,
        certificate=Certificate.model_validate_json(parity),
    )
