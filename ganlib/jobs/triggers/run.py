"""Retrain for the causes that there are, as one library call, or say why nothing is to do."""

from __future__ import annotations

from collections.abc import Sequence

from ganlib import config as configs
from ganlib import families as zoo
from ganlib.config import Params
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.jobs.data.version_data import version_data
from ganlib.jobs.retrain import RetrainResult, retrain
from ganlib.jobs.triggers.look import look, situation
from ganlib.jobs.triggers.merge import Intake, take_in
from ganlib.jobs.triggers.situation import Cause
from ganlib.jobs.triggers.start import started

NO_CAUSE = "there is no cause to retrain"


class Preparation(Record):
    """The causes of a retraining, and what became of the inbox that was emptied for it."""

    causes: tuple[Cause, ...]
    intake: Intake | None = None


class Retraining(Record):
    """What a retraining for its causes came to."""

    causes: tuple[Cause, ...]
    intake: Intake | None
    result: RetrainResult | None
    why_not: str | None
    """Why nothing was to do; None: it was done."""

    @property
    def summary(self) -> str:
        """For people."""
        lines = [f"cause    {cause}" for cause in self.causes]
        lines += [self.intake.summary] if self.intake else []
        last = self.result.decision.summary() if self.result else f"nothing to do: {self.why_not}"
        return "\n".join([*lines, last])


def prepare(project: Project, params: Params, others: Sequence[Cause] = (), report: Report = silent) -> Preparation:
    """Look which causes there are, and empty the inbox if its images are one.

    Raises:
        BadInput: a cause cannot be measured, or the inbox cannot be merged. What was in the inbox is still there.
        Unavailable: MLflow does not answer.
    """
    state = situation(project, params)
    causes = look(state, others)
    if all(cause.name != "images" for cause in causes):
        return Preparation(causes=causes)
    return Preparation(causes=causes, intake=take_in(project, params, now=state.now.timestamp(), report=report))


def retrain_for_causes(
    project: Project,
    params: Params,
    *,
    families: Sequence[str] | None = None,
    budget: str | None = None,
    others: Sequence[Cause] = (),
    overrides: Sequence[str] = (),
    report: Report = silent,
) -> Retraining:
    """Retrain once for all causes that there are now and for ``others``, unless the same was done before.

    Arguments and errors as of :func:`ganlib.jobs.retrain.retrain`.
    """
    row, names = params.require_budget(budget), zoo.require_all(families or params.train.families)
    ready = prepare(project, params, others, report)
    if not ready.causes:
        return Retraining(causes=(), intake=None, result=None, why_not=NO_CAUSE)
    data = version_data(project, report=report)
    params = configs.load(project.params_file, overrides)  # the inbox may have made another source
    with started(project, params, names, row, data.md5, ready.causes) as start:
        if start.why_not:
            return Retraining(**dict(ready), result=None, why_not=start.why_not)
        result = retrain(project, params, families=names, budget=row, overrides=overrides, data=data, report=report)
        start.detail = result.decision.summary().splitlines()[0]
    return Retraining(**dict(ready), result=result, why_not=None)


def retrain_by_hand(
    project: Project,
    params: Params,
    *,
    families: Sequence[str] | None = None,
    budget: str | None = None,
    overrides: Sequence[str] = (),
    report: Report = silent,
) -> RetrainResult:
    """Retrain because a person asks for it, whatever was done before; causes seen meanwhile start no second one.

    Arguments and errors as of :func:`ganlib.jobs.retrain.retrain`.
    """
    row, names = params.require_budget(budget), zoo.require_all(families or params.train.families)
    situation(project, params)  # an MLflow that is away is found out now
    data = version_data(project, report=report)
    with started(project, params, names, row, data.md5, None) as start:
        result = retrain(project, params, families=names, budget=row, overrides=overrides, data=data, report=report)
        start.detail = result.decision.summary().splitlines()[0]
    return result
