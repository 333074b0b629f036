"""Train one family: an MLflow run from its first step to its exported graph."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ganlib import families
from ganlib.config import Params
from ganlib.core import project as projects
from ganlib.core.errors import Interrupted
from ganlib.core.events import Remark
from ganlib.core.files import require_writable, sha256_file
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.core.signals import stop_requests
from ganlib.evaluation.needs import changes, fitted
from ganlib.export.onnx import Certificate
from ganlib.jobs.data.judge import judge_for, judge_sha256_for
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.training.finish import finish
from ganlib.jobs.training.fit import fit
from ganlib.jobs.training.parent import find_parent
from ganlib.jobs.training.session import Session, session, shape
from ganlib.jobs.training.teacher import Teacher
from ganlib.tracking.runs import NullRun

if TYPE_CHECKING:
    from ganlib.families.parts.base import Family
    from ganlib.tracking.runs import Run
    from ganlib.training.ema import Ema
    from ganlib.training.loop import TrainingOutcome


class TrainResult(Record):
    """A finished training: where its run and its exported graph are."""

    run_id: str
    family: str
    steps: int
    seconds: float
    images: int
    onnx: Path
    sha256: str
    certificate: Certificate


def train(
    project: Project,
    params: Params,
    family: str,
    *,
    budget: str | None = None,
    resume: str | None = None,
    overrides: Sequence[str] = (),
    teacher: Teacher | None = None,
    report: Report = silent,
) -> TrainResult:
    """Train ``family`` on the current data version and export its generator.

    Args:
        project: the checkout; checkpoints go to its state folder.
        params: the configuration, ``overrides`` already applied.
        family: a name of :func:`ganlib.families.names`.
        budget: a row of ``budgets``; default ``train.budget``.
        resume: id of an interrupted run to go on with, from its last checkpoint.
        overrides: what the command line changed, recorded in the run.
        teacher: the model, of that family, whose student it is to be.
        report: told of progress.

    Raises:
        BadInput: unknown family, budget, option or device; a family that does not fit the data; no verified data;
            nothing to resume.
        Unavailable: MLflow cannot be reached.
        OutOfMemory: a step did not fit; the last checkpoint is kept.
        Unhealthy: training broke, and ``train.unhealthy`` is ``stop`` or did not help; the run is tagged with why.
        Interrupted: SIGTERM or Ctrl-C; a checkpoint was written and the run ended as KILLED.
    """
    with session(
        project, params, family, verb="distill" if teacher else "train",
        budget=budget, resume=resume, overrides=overrides, teacher=teacher, report=report,
    ) as training:  # fmt: skip
        if smaller := changes(params.evaluate, fitted(params.evaluate, training.data.counts)):
            report.event(Remark(f"train {family}", {"note": f"will be measured by less: {smaller}"}))
        run, folder = training.run, project.run_folder(training.run.id)
        require_writable(folder)
        model, ema, outcome, _ = fit(project, params, family, training, report, resume=resume is not None)

        def require_asked_for() -> None:
            if training.stop():
                command = f"ganlib {f'distill {teacher.reference}' if teacher else f'train {family}'} --resume {run.id}"
                raise Interrupted(f"training was stopped at step {outcome.steps}; go on with: {command}")

        require_asked_for()
        run.artifact(folder / ("checkpoint-best.pt" if outcome.best_step else "checkpoint.pt"), "checkpoint")
        finish(
            project,
            model,
            ema.module.cpu().eval(),
            run,
            outcome.steps,
            judge=training.judge,
            mark=params.mark,
            report=report,
        )
        require_asked_for()
        return _export(params, family, training, project, run, model, ema, outcome, report)


def follows() -> bool:
    """Return whether this process is one of torchrun's and not the first."""
    return int(os.environ.get("RANK", "0")) > 0 and int(os.environ.get("WORLD_SIZE", "1")) > 1


def follow(
    project: Project,
    params: Params,
    family: str,
    *,
    budget: str | None = None,
    resume: str | None = None,
) -> None:
    """The part in :func:`train` of torchrun's other processes: their share of each batch, and no word to MLflow."""
    from ganlib.training import device as devices
    from ganlib.training import distributed

    settings = params.train
    device = devices.prepare(settings.device, settings.threads, allow_cpu=settings.allow_cpu)
    with stop_requests() as stop, distributed.join(device.type) as team:
        limits, data = params.limits(family, budget), current_data(project)
        options = families.for_data(params, family, data.spec, data.counts["train"])
        parent = find_parent(project, params, family, data.spec, resume)
        config = shape(params, family, limits, options, data, parent)
        judge = cache(lambda: judge_for(project, params, data))
        training = Session(NullRun(), stop, team, device, limits, config, data, options, parent, judge)
        fit(project, params, family, training, silent, resume=resume is not None)


def _export(
    params: Params,
    family: str,
    session: Session,
    project: Project,
    run: Run,
    model: Family,
    ema: Ema,
    outcome: TrainingOutcome,
    report: Report,
) -> TrainResult:
    """Write the moving average's graph beside the checkpoint and log it with its certificate."""
    from ganlib.export.contract import CAPTIONS_KEY, JUDGE_KEY, SHARES_KEY
    from ganlib.export.onnx import export

    report.advance(f"export {family}", 0, 1)
    data = session.data
    path = project.run_folder(run.id) / "generator.onnx"
    metadata = {
        "family": family,
        "data_version": data.md5,
        "run_id": run.id,
        "source_commit": projects.source(project.root).commit or "unknown",
    }
    if judge := judge_sha256_for(project, params, data):
        metadata[JUDGE_KEY] = judge
    if session.parent:
        metadata["init_run_id"] = session.parent.run_id
    if session.teacher:
        metadata |= session.teacher.metadata()
    if model.captions:
        metadata[CAPTIONS_KEY] = json.dumps(model.captions, ensure_ascii=False)
    if model.shares:
        metadata[SHARES_KEY] = json.dumps(model.shares)
    certificate = export(ema.module, model.noise_dim, path, params.export, metadata, data.spec, model.condition)
    run.artifact(path, "onnx")
    run.text(certificate.model_dump_json(indent=2), "onnx/parity.json")
    figures = {"delivery/parity_max_pixel_difference": certificate.max_pixel_difference}
    run.log({**figures, "speed/train_seconds": outcome.seconds}, outcome.steps)
    report.advance(f"export {family}", 1, 1)
    return TrainResult(
        run_id=run.id,
        family=family,
        steps=outcome.steps,
        seconds=outcome.seconds,
        images=outcome.images,
        onnx=path,
        sha256=sha256_file(path),
        certificate=certificate,
    )
