"""One trial of a search: a training that is scored on the validation split and exports nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ganlib.config import Params
from ganlib.core.errors import Interrupted
from ganlib.core.events import TrialStart
from ganlib.core.files import require_writable
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.jobs.training.fit import fit
from ganlib.jobs.training.session import session


class Score(Record):
    """What a trial came to."""

    run_id: str
    fid: float | None
    """The lowest validation FID of its moving average; None if it broke."""
    problem: str | None = None
    """Why it broke."""


def score(
    project: Project,
    params: Params,
    family: str,
    *,
    budget: str | None = None,
    overrides: Sequence[str] = (),
    report: Report = silent,
) -> Score:
    """Train ``family`` as :func:`ganlib.jobs.training.train.train` does, up to its last check.

    A family that cannot be compared while it trains is finished and scored once. The test split is not read.

    Raises:
        Interrupted: it was told to stop.
    """
    from ganlib.data.splits import load_split
    from ganlib.training.health import OutOfMemory, Unhealthy

    run_id = ""
    try:
        with session(
            project, params, family, budget=budget, overrides=overrides, verb="try", report=report
        ) as training:
            run_id = training.run.id
            report.event(TrialStart(run_id))
            require_writable(project.run_folder(run_id))
            model, ema, outcome, checker = fit(project, params, family, training, report, raw=False)
            if outcome.stopped:
                raise Interrupted(f"the trial was stopped at step {outcome.steps}.")
            fid = outcome.best
            if not outcome.best_step:
                model.cpu().finish(ema.module.cpu().eval(), load_split(project.prepared, "train").images)
                fid = checker.score(ema.module)
                training.run.log({"quality/validation_fid": fid}, outcome.steps)
    except (OutOfMemory, Unhealthy) as trouble:  # of these options: the search is to know, and to go on
        return Score(run_id=run_id, fid=None, problem=str(trouble))
    return Score(run_id=run_id, fid=fid if math.isfinite(fid) else None)
