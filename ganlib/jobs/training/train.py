"""Train one family: an MLflow run from its first step to its exported graph."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib import families
from ganlib.config import Limits, Params
from ganlib.core import project as projects
from ganlib.core.errors import Interrupted
from ganlib.core.files import require_writable, sha256_bytes, sha256_file
from ganlib.core.progress import Facts, Report, doing, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.core.startup import gc_paused
from ganlib.evaluation.needs import changes, fitted
from ganlib.export.onnx import Certificate
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.training.finish import finish, sheet
from ganlib.tracking import charts, runs
from ganlib.tracking.reap import open_store
from ganlib.tracking.runs import UNHEALTHY_TAG, NullRun

if TYPE_CHECKING:
    import torch

    from ganlib.data.versioning.record import DataVersion
    from ganlib.families.parts.base import Family, FamilyOptions
    from ganlib.jobs.training.check import Checker
    from ganlib.tracking.runs import Run
    from ganlib.training.checkpoint import Progress
    from ganlib.training.distributed import Team
    from ganlib.training.ema import Ema
    from ganlib.training.loop import TrainingOutcome

CODE_TAG = "ganlib.code_sha256"
"""Of a run: :func:`code_sha256` of what trained it."""
_ROLLBACKS = 2
"""More of them would train something else than what was asked for."""


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


@dataclass(frozen=True)
class Session:
    """A training's run and what it depends on."""

    run: Run
    stop: Callable[[], bool]
    """Whether a signal has asked it to end."""
    team: Team
    device: torch.device
    limits: Limits
    config: dict[str, Any]
    """What shapes it."""
    data: DataVersion


def train(
    project: Project,
    params: Params,
    family: str,
    *,
    budget: str | None = None,
    resume: str | None = None,
    overrides: Sequence[str] = (),
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
        report: told of progress.

    Raises:
        BadInput: unknown family, budget, option or device; no verified data; nothing to resume.
        Unavailable: MLflow cannot be reached.
        OutOfMemory: a step did not fit; the last checkpoint is kept.
        Unhealthy: training broke, and ``train.unhealthy`` is ``stop`` or did not help; the run is tagged with why.
        Interrupted: SIGTERM or Ctrl-C; a checkpoint was written and the run ended as KILLED.
    """
    with session(project, params, family, budget=budget, resume=resume, overrides=overrides) as begun:
        if smaller := changes(params.evaluate, fitted(params.evaluate, begun.data.counts)):
            report(f"train {family}", 0, 0, {"note": f"will be measured by less: {smaller}"})
        run, folder = begun.run, project.run_folder(begun.run.id)
        require_writable(folder)
        model, ema, outcome, _ = fit(project, params, family, begun, report, resume=resume is not None)

        def require_asked_for() -> None:
            if begun.stop():
                raise Interrupted(
                    f"training was stopped at step {outcome.steps}; go on with: ganlib train {family} --resume {run.id}"
                )

        require_asked_for()
        run.artifact(folder / ("checkpoint-best.pt" if outcome.best_step else "checkpoint.pt"), "checkpoint")
        finish(project, model, ema.module.cpu().eval(), run, outcome.steps, report=report)
        require_asked_for()
        return _export(params, family, begun.data, project, run, model, ema, outcome, report)


def follows() -> bool:
    """Whether this process is one of torchrun's and not the first."""
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
    with _stop_signals() as stop, distributed.join(device.type) as team:
        limits, data = params.limits(family, budget), current_data(project)
        config = shape(params, family, limits, families.configured(params, family), data)
        begun = Session(NullRun(), stop, team, device, limits, config, data)
        fit(project, params, family, begun, silent, resume=resume is not None)


@contextmanager
def session(
    project: Project,
    params: Params,
    family: str,
    *,
    budget: str | None,
    resume: str | None = None,
    overrides: Sequence[str] = (),
    verb: str = "train",
) -> Iterator[Session]:
    """A run to train ``family`` in, with everything checked that can be checked before the first step.

    Raises as :func:`train`.
    """
    with doing("import torch"), gc_paused():
        from ganlib.training import device as devices
        from ganlib.training import distributed

    settings = params.train
    options = families.configured(params, family)
    limits = params.limits(family, budget)
    data = current_data(project)
    require_batch(data, options.batch_size)
    fitted(params.evaluate, data.counts)  # what is too small to be measured is not trained on
    device = devices.prepare(settings.device, settings.threads, allow_cpu=settings.allow_cpu)
    config = shape(params, family, limits, options, data)
    store = open_store(project)
    with (
        _stop_signals() as stop,
        distributed.join(device.type) as team,
        runs.start(
            store,
            " ".join((*([] if verb == "train" else [verb]), family, budget or params.train.budget)),
            family=family,
            params=flat(config),
            tags={"ganlib.overrides": " ".join(overrides) or "none", CODE_TAG: code_sha256()},
            data=data,
            source=projects.source(project.root),
            experiment=params.registry.experiment,
            resume=resume,
        ) as run,
    ):
        run.tag("ganlib.device", str(device))
        if settings.allow_cpu and device.type == "cpu" and settings.device.startswith("cuda"):
            run.tag("ganlib.device_missing", f"{settings.device} was asked for; --allow-cpu")
        if team.size > 1:
            run.tag("ganlib.processes", str(team.size))
        yield Session(run, stop, team, device, limits, config, data)


@cache
def code_sha256() -> str:
    """Digest of this package's Python files: equal where a training would do the same."""
    root = Path(__file__).resolve().parents[1]
    return sha256_bytes("".join(sha256_file(path) for path in sorted(root.rglob("*.py"))).encode())


def fit(
    project: Project,
    params: Params,
    family: str,
    begun: Session,
    report: Report,
    *,
    resume: bool = False,
    raw: bool = True,
) -> tuple[Family, Ema, TrainingOutcome, Checker]:
    """Build the family on its device and run the loop; what comes back is in its best state.

    ``raw``: checks also measure the generator without its moving average.
    """
    import torch

    from ganlib.data.batches import DeviceBatches
    from ganlib.data.splits import load_split
    from ganlib.jobs.training.check import Checker
    from ganlib.training import loop
    from ganlib.training.checkpoint import Checkpoints
    from ganlib.training.ema import Ema
    from ganlib.training.step import compile_nets

    settings, run, team, device = params.train, begun.run, begun.team, begun.device
    torch.manual_seed(settings.seed)
    options = families.configured(params, family)
    team.require_shares(options.batch_size)
    with doing(f"build {family}"), gc_paused():  # the first optimiser imports torch's compiler
        model = families.load(family)(options).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    ema = Ema(model.generator, options.ema_half_life)
    if settings.compile:
        compile_nets(model)
    with doing("read the training images"):
        split = load_split(project.prepared, "train")
    batches = DeviceBatches(
        split.images,
        split.labels,
        options.batch_size,
        settings.seed,
        device,
        ranks=model.ranks(split.images, split.labels),
        share=(team.rank, team.size),
    )
    run.tag("ganlib.trained_parameters", str(sum(p.numel() for p in model.parameters())))
    kept = Checkpoints(project.run_folder(team.tell(run.id)) / "checkpoint.pt", begun.config, keep=settings.keep)
    checker = Checker(
        model,
        project.prepared,
        lambda values, step: run.log(charts.of_group("quality", values), step),
        samples=settings.check_samples,
        seed=settings.seed,
        raw=raw,
        report=report,
    )
    plan = loop.Plan(
        title=f"train {family}",
        seed=settings.seed,
        budget=begun.limits,
        checkpoints=kept,
        log_every=settings.log_every,
        grids=settings.grids,
        checkpoint_seconds=settings.checkpoint_seconds,
        checks=settings.checks_in(begun.limits),
        check_share=settings.check_share,
        patience=settings.patience,
        precision=settings.precision,
        graphs=settings.cuda_graphs,
    )

    def told(stage: str, done: int, total: int, facts: Facts | None = None) -> None:
        """Progress, with what the last check found."""
        last = {} if checker.fid is None else {"validation_fid": checker.fid}
        report(stage, done, total, {**last, **facts} if facts else facts)

    hooks = loop.Hooks(
        log=lambda values, step: run.log(charts.of_training(values), step),
        grid=lambda images, step: run.image(sheet(images.reshape(8, 8, 28, 28)), f"grids/step-{step:07d}.png"),
        check=checker,
        report=told,
        stop=begun.stop,
    )

    def roll_back() -> Progress | None:
        if settings.unhealthy != "rollback":
            return None
        back = team.tell(kept.roll_back(model, ema, most=_ROLLBACKS, report=report) if team.leads else None)
        if back is not None and not team.leads:
            kept.restore(model, ema)  # what the leader has just written
        return back

    with doing(plan.title):
        outcome = _keep_healthy(
            lambda again: loop.fit(model, ema, batches, plan, hooks, resume=resume or again, team=team),
            roll_back,
            run,
            report,
        )
    if outcome.best_step and not outcome.stopped and team.leads:
        best = kept.restore_best(model, ema, report)
        run.tag("ganlib.selected_step", str(best.step))
    return model, ema, outcome, checker


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
            said = f"{trouble.problem} at step {trouble.step}: back to step {back.step} with halved learning rates"
            run.tag(f"ganlib.rollback_{back.rollbacks}", said)
            report("health", 0, 0, {"rollback": said})
            again = True


def _export(
    params: Params,
    family: str,
    data: DataVersion,
    project: Project,
    run: Run,
    model: Family,
    ema: Ema,
    outcome: TrainingOutcome,
    report: Report,
) -> TrainResult:
    """Write the moving average's graph beside the checkpoint and log it with its certificate."""
    from ganlib.evaluation.judge.judge import judge_sha256
    from ganlib.export.onnx import export

    report(f"export {family}", 0, 1)
    path = project.run_folder(run.id) / "generator.onnx"
    metadata = {
        "family": family,
        "data_version": data.md5,
        "run_id": run.id,
        "source_commit": projects.source(project.root).commit or "unknown",
        "judge_sha256": judge_sha256(),
    }
    certificate = export(ema.module, model.noise_dim, path, params.export, metadata, condition=model.condition)
    run.artifact(path, "onnx")
    run.text(certificate.model_dump_json(indent=2), "onnx/parity.json")
    made = {"delivery/parity_max_pixel_difference": certificate.max_pixel_difference}
    run.log({**made, "speed/train_seconds": outcome.seconds}, outcome.steps)
    report(f"export {family}", 1, 1)
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


def require_batch(data: DataVersion, batch_size: int) -> None:
    """Raise :class:`BadInput` if the training split has fewer images than a batch."""
    from ganlib.data.batches import too_large

    if batch_size > (images := data.counts["train"]):
        raise too_large(batch_size, images)


def shape(params: Params, family: str, limits: Limits, options: FamilyOptions, data: DataVersion) -> dict[str, Any]:
    """What shapes a run: a resume must find all of it unchanged."""
    return {
        "family": family,
        "seed": params.train.seed,
        "steps": limits.steps,
        "seconds": limits.seconds,
        "checks": params.train.checks_in(limits),
        "check_samples": params.train.check_samples,
        "patience": params.train.patience,
        "precision": params.train.precision,
        "data_version": data.md5,
        **flat(options.model_dump(mode="json")),
    }


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as ``outer.inner`` keys, for MLflow's flat parameters."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """While inside, SIGTERM and the first Ctrl-C set a flag that the loop reads; a second Ctrl-C interrupts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: object) -> None:
        # Whoever ends a whole flow sends SIGTERM more than once: the flow to its trainings, `make down` to everything.
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
