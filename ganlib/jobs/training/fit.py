"""Build a family on its device and run the training loop, with its checks, its checkpoints and its rollbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ganlib import families
from ganlib.config import MarkConfig, Params
from ganlib.core.events import Facts, Remark
from ganlib.core.progress import Report, doing
from ganlib.core.project import Project
from ganlib.core.startup import gc_paused
from ganlib.generation.mark import packet_of_run
from ganlib.jobs.training.finish import sheet
from ganlib.jobs.training.parent import begin_from
from ganlib.jobs.training.session import Session
from ganlib.jobs.training.teacher import teach
from ganlib.tracking import charts
from ganlib.tracking.runs import UNHEALTHY_TAG

if TYPE_CHECKING:
    from torch import Tensor

    from ganlib.data.batches import DeviceBatches
    from ganlib.families.parts.base import Family
    from ganlib.jobs.training.check import Checker
    from ganlib.tracking.runs import Run
    from ganlib.training.checkpoint import Checkpoints, Progress
    from ganlib.training.ema import Ema
    from ganlib.training.loop import Hooks, Plan, TrainingOutcome

_ROLLBACKS = 2
"""More of them would train something else than what was asked for."""


class Fit(NamedTuple):
    """A trained family in its best state, and how it came about."""

    model: Family
    ema: Ema
    outcome: TrainingOutcome
    checker: Checker


def fit(
    project: Project,
    params: Params,
    family: str,
    session: Session,
    report: Report,
    *,
    resume: bool = False,
    raw: bool = True,
) -> Fit:
    """Build the family on its device and run the loop; what comes back is in its best state.

    ``raw``: checks also measure the generator without its moving average.
    """
    import torch

    from ganlib.jobs.training.check import Checker
    from ganlib.training import loop
    from ganlib.training.ema import Ema
    from ganlib.training.step import compile_nets

    settings, run, team = params.train, session.run, session.team
    torch.manual_seed(settings.seed)
    model = _build(family, session)
    ema = Ema(model.generator, model.options.ema_half_life)
    _begin(session, project, params, model, ema, report, resume=resume)
    if settings.compile:
        compile_nets(model)
    batches = _batches(project, params, model, session)
    run.tag("ganlib.trained_parameters", str(sum(p.numel() for p in model.parameters())))
    checkpoints = _checkpoints(project, session, settings.keep)
    checker = Checker(
        model,
        project.prepared,
        lambda values, step: run.log(charts.of_group("quality", values), step),
        judge=session.judge,
        samples=settings.check_samples,
        seed=settings.seed,
        raw=raw,
        report=report,
    )
    plan, hooks = _plan(params, family, session, checkpoints), _hooks(session, checker, params.mark, report)

    def roll_back() -> Progress | None:
        if settings.unhealthy != "rollback":
            return None
        back = team.tell(checkpoints.roll_back(model, ema, most=_ROLLBACKS, report=report) if team.leads else None)
        if back is not None and not team.leads:
            checkpoints.restore(model, ema)  # what the leader has just written
        return back

    def attempt(again: bool) -> TrainingOutcome:
        return loop.fit(model, ema, batches, plan, hooks, resume=resume or again, team=team)

    with doing(plan.title):
        outcome = _keep_healthy(attempt, roll_back, run, report)
    if outcome.best_step and not outcome.stopped and team.leads:
        run.tag("ganlib.selected_step", str(checkpoints.restore_best(model, ema, report).step))
    return Fit(model, ema, outcome, checker)


def _build(family: str, session: Session) -> Family:
    import torch

    session.team.require_shares(session.options.batch_size)
    with doing(f"build {family}"), gc_paused(sweep=True):  # the first optimiser imports torch's compiler
        model = families.build(family, session.options, session.data.spec)
        return model.to(session.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _begin(
    session: Session, project: Project, params: Params, model: Family, ema: Ema, report: Report, *, resume: bool
) -> None:
    """Give the nets their parent's weights, or a student its teacher."""
    if session.parent and not resume:
        begin_from(session.parent, project, model, ema, report)
    if session.teacher:
        teach(session.teacher, project, model, params.distill, report, resume=resume)


def _batches(project: Project, params: Params, model: Family, session: Session) -> DeviceBatches:
    """Return the training split on the device, or this process's share of it."""
    from ganlib.data.batches import DeviceBatches
    from ganlib.data.conditions import class_shares, pool
    from ganlib.data.splits import load_split

    with doing("read the training images"):
        split = load_split(project.prepared, "train")
    if split.captions is not None and model.condition == "caption":
        model.captions, model.shares = pool(split.captions)
    if model.condition == "label":
        model.shares = class_shares(split.labels, session.data.spec.num_classes)
    return DeviceBatches(
        split.images,
        split.labels,
        model.options.batch_size,
        params.train.seed,
        session.device,
        ranks=model.ranks(split.images, split.labels),
        captions=split.captions,
        share=(session.team.rank, session.team.size),
    )


def _checkpoints(project: Project, session: Session, keep: int) -> Checkpoints:
    from ganlib.training.checkpoint import Checkpoints

    file = project.run_folder(session.team.tell(session.run.id)) / "checkpoint.pt"
    return Checkpoints(file, session.config, keep=keep)


def _plan(params: Params, family: str, session: Session, checkpoints: Checkpoints) -> Plan:
    from ganlib.training.loop import Plan

    settings = params.train
    return Plan(
        title=f"train {family}",
        seed=settings.seed,
        budget=session.limits,
        checkpoints=checkpoints,
        log_every=settings.log_every,
        grids=settings.grids,
        checkpoint_seconds=settings.checkpoint_seconds,
        checks=settings.checks_in(session.limits),
        check_share=settings.check_share,
        patience=settings.patience,
        precision=settings.precision,
        graphs=settings.cuda_graphs,
    )


class _WithLastCheck:
    """Passes everything on, figures together with what the last check found."""

    def __init__(self, report: Report, checker: Checker) -> None:
        self._report, self._checker = report, checker
        self.event = report.event

    def advance(self, stage: str, done: int, total: int, figures: Facts | None = None) -> None:
        last = {} if self._checker.fid is None else {"validation_fid": self._checker.fid}
        self._report.advance(stage, done, total, {**last, **figures} if figures else figures)


def _hooks(session: Session, checker: Checker, mark: MarkConfig, report: Report) -> Hooks:
    """Return what the loop tells the run and the screen."""
    from ganlib.training.loop import Hooks

    run = session.run

    def grid(images: Tensor, step: int) -> None:
        rows = images.view(8, 8, *images.shape[1:])
        run.image(sheet(rows, packet_of_run(mark, run.id, f"step-{step}")), f"grids/step-{step:07d}.png")

    return Hooks(
        log=lambda values, step: run.log(charts.of_training(values), step),
        grid=grid,
        check=checker,
        report=_WithLastCheck(report, checker),
        stop=session.stop,
    )


def _keep_healthy(
    fit: Callable[[bool], TrainingOutcome], roll_back: Callable[[], Progress | None], run: Run, report: Report
) -> TrainingOutcome:
    """``fit``, and again after each rollback, as long as there is one."""
    from ganlib.training.health import Unhealthy

    again = False
    while True:
        try:
            return fit(again)
        except Unhealthy as trouble:
            back = roll_back()
            if back is None:
                run.tag(UNHEALTHY_TAG, trouble.problem)
                raise
            remark = f"{trouble.problem} at step {trouble.step}: back to step {back.step} with halved learning rates"
            run.tag(f"ganlib.rollback_{back.rollbacks}", remark)
            report.event(Remark("health", {"rollback": remark}))
            again = True
