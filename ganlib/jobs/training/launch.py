"""Train in a process of its own, and not again what has been trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ganlib.config import Params
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.threads import GOMP_SPINCOUNT
from ganlib.jobs.training import child
from ganlib.jobs.training.finished_runs import Service, unused
from ganlib.jobs.training.train import TrainResult


def train_once(
    project: Project,
    params: Params,
    family: str,
    *,
    budget: str | None = None,
    concurrent: int = 1,
    overrides: Sequence[str] = (),
    serves: Service = "registration",
    report: Report = silent,
) -> TrainResult:
    """:func:`train_in_child`, unless :func:`ganlib.jobs.training.finished_runs.unused` finds such a training."""
    return unused(project, params, family, budget=budget, serves=serves, report=report) or train_in_child(
        project, params, family, budget=budget, concurrent=concurrent, overrides=overrides, report=report
    )


def train_in_child(
    project: Project,
    params: Params,
    family: str,
    *,
    budget: str | None = None,
    concurrent: int = 1,
    resume: str | None = None,
    overrides: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    report: Report = silent,
) -> TrainResult:
    """:func:`ganlib.jobs.training.train.train` in a process of its own, ``concurrent - 1`` others on the same cores.

    ``variables`` are of its environment, besides this process's own.
    """
    limits = params.limits(family, budget)
    arguments = ["train", family, *(f"--set={override}" for override in overrides)]
    if budget:
        arguments.append(f"--budget={budget}")
    if resume:
        arguments.append(f"--resume={resume}")
    # On shared cores it costs less to sleep at once.
    sleepy = concurrent > 1 and os.environ.get("GOMP_SPINCOUNT") == GOMP_SPINCOUNT
    variables = {**(variables or {}), **({"GOMP_SPINCOUNT": "0"} if sleepy else {})} or None
    # Start-up, checkpointing and export are not training: allow for them on a slow machine.
    timeout = limits.seconds * 1.5 + 300
    return TrainResult.model_validate(
        child.run(project, arguments, timeout=timeout, variables=variables, report=report)
    )
