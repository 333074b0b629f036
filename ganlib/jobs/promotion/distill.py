"""A student of a version: a narrower generator that draws what its teacher draws, registered beside it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ganlib import families
from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.data.spec import DatasetSpec
from ganlib.evaluation.evaluate import Speedup
from ganlib.generation.session import OnnxModel
from ganlib.generation.speed.latency import ROUNDS, side_by_side, speedups
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.measuring.evaluate import evaluate
from ganlib.jobs.models import Model
from ganlib.jobs.promotion.distillation import Distillation, measure_difference
from ganlib.jobs.promotion.promote import promote
from ganlib.jobs.promotion.sibling_table import fid_change
from ganlib.jobs.promotion.siblings import current_evaluation
from ganlib.jobs.training.finished_runs import finished
from ganlib.jobs.training.teacher import WIDTH, Teacher, find_teacher, options_of
from ganlib.jobs.training.train import TrainResult, train
from ganlib.registry import page
from ganlib.registry.lineage import versions_of
from ganlib.registry.registry import Registry, Version
from ganlib.tracking.store import connect

_MARGIN = 1.1
"""By so much more than was asked for a width has to be faster, on one thread: on two, what does not depend on the width
weighs more, and timings of another minute differ by a few per cent."""


def distill(
    project: Project,
    params: Params,
    reference: str,
    *,
    speed: float = 3.0,
    budget: str | None = None,
    resume: str | None = None,
    overrides: Sequence[str] = (),
    put_through: bool = False,
    rounds: int = ROUNDS,
    report: Report = silent,
) -> Distillation:
    """Train a student of ``reference`` that draws at least ``speed`` times its images a second, and register it.

    Its generator is the widest of its family that is so much faster here, on one thread and in turns with the teacher.
    It learns from pairs that the teacher draws anew at every step, against the family's own discriminator, and becomes
    a version that is linked to its teacher, evaluated as any other and shown to the gate.

    Args:
        project: the checkout with the data version to train on and to compare against.
        params: the configuration; ``distill`` says what is learnt from.
        reference: the teacher: a version of the registered model.
        speed: times the teacher's images a second.
        budget: a row of ``budgets``; default ``train.budget``.
        resume: id of an interrupted run to go on with; of one whose training is done, what follows is.
        overrides: what the command line changed, recorded in the run.
        put_through: let the gate decide, which may promote it and counts as a try against the champion; otherwise it is
            only asked what it would say.
        rounds: of the timings.
        report: told of progress.

    Raises:
        BadInput: no such version, a family of which there are no students, or no generator of it is so fast.
        Unavailable: the registry cannot be reached.
        Interrupted, Unhealthy, OutOfMemory: as :func:`ganlib.jobs.training.train.train`.
    """
    if speed <= 1:
        raise BadInput(f"--speed {speed:g}: a student is faster than its teacher, so it must be more than 1.")
    teacher = find_teacher(project, params, reference)
    width = _width_of(project, resume) if resume else _width(project, params, teacher, speed, report)
    student_params = teacher.student(params, width)
    done = finished(project, params, resume) if resume else None
    result = done or train(
        project, student_params, teacher.family,
        budget=budget, resume=resume, overrides=overrides, teacher=teacher, report=report,
    )  # fmt: skip
    return _registered(project, params, teacher, result, width, speed, put_through, rounds, report)


def widest(channels: int, speed: float, times: Callable[[int], float], report: Report = silent) -> int | None:
    """Return the largest width below ``channels`` that is :data:`_MARGIN` times ``speed`` times as fast; None: none is.

    Args:
        channels: the teacher's width.
        speed: times the teacher's images a second.
        times: measures how many times as fast a width is, which is the more the narrower it is.
        report: told of each width, by which what is left is halved.
    """
    fast_enough, too_slow, timings = 0, channels, 0
    while too_slow - fast_enough > 1:
        width = (fast_enough + too_slow) // 2
        ratio, timings = times(width), timings + 1
        fast_enough, too_slow = (width, too_slow) if ratio >= _MARGIN * speed else (fast_enough, width)
        report.advance("choose a width", timings, (channels - 1).bit_length(), {"width": width, "times": ratio})
    return fast_enough or None


def _width(project: Project, params: Params, teacher: Teacher, speed: float, report: Report) -> int:
    """Export generators untrained and time them: weights do not decide how fast a graph is."""
    graph, spec = OnnxModel(teacher.model.path, sha256=teacher.model.sha256), current_data(project).spec

    def times(width: int) -> float:
        with tempfile.TemporaryDirectory(prefix="ganlib-width-") as folder:
            candidate = _untrained(spec, params, teacher, width, Path(folder) / "generator.onnx")
            own, its = map(statistics.median, side_by_side([candidate, graph], clock=time.thread_time))
        return own / its

    if width := widest(teacher.width, speed, times, report):
        return width
    raise BadInput(f"no {teacher.family} is {speed:g} times as fast as {teacher.reference}. Nothing was trained.")


def _untrained(spec: DatasetSpec, params: Params, teacher: Teacher, width: int, path: Path) -> OnnxModel:
    from ganlib.export.onnx import export

    settings = params.export.model_copy(update={"parity_batches": (1,)})
    family = families.build(teacher.family, families.configured(teacher.student(params, width), teacher.family), spec)
    export(family.generator, family.noise_dim, path, settings, {}, spec, family.condition)
    return OnnxModel(path)


def _width_of(project: Project, run_id: str) -> int:
    options = options_of(project, run_id)
    if "teacher" in options:
        return int(options[WIDTH])
    raise BadInput(f"run {run_id} is no distillation: nothing to resume.")


def _registered(
    project: Project,
    params: Params,
    teacher: Teacher,
    result: TrainResult,
    width: int,
    speed: float,
    put_through: bool,
    rounds: int,
    report: Report,
) -> Distillation:
    """Measure the student beside its teacher, make it a version, and ask the gate."""
    ours = OnnxModel(result.onnx, sha256=result.sha256)
    theirs = OnnxModel(teacher.model.path, sha256=teacher.model.sha256)
    before = current_evaluation(project, params, teacher.model) or evaluate(
        project, params, str(teacher.model.path), report=report
    )
    version = _version(
        project, params, teacher.model, result, lambda: speedups(ours, theirs, rounds=rounds, report=report), report
    )
    after = version.evaluation
    assert after  # noqa: S101  (it was registered with one)
    assert after.delivery  # noqa: S101
    decision = promote(project, params, str(version.version), dry_run=not put_through)
    return Distillation(
        teacher=teacher.reference,
        version=version.version,
        run_id=result.run_id,
        family=teacher.family,
        width=width,
        teacher_width=teacher.width,
        speed=speed,
        steps=result.steps,
        seconds=result.seconds,
        speedups=tuple(each for each in after.delivery.speedups if each.rival == theirs.sha256),
        mean_difference=measure_difference(ours, theirs, params.evaluate.seed),
        before=before,
        after=after,
        fid_change=fid_change(before, after),
        gate=decision,
    )


def _version(
    project: Project,
    params: Params,
    teacher: Model,
    result: TrainResult,
    time_both: Callable[[], tuple[Speedup, ...]],
    report: Report,
) -> Version:
    """Return the student as a version beside its teacher: the one that it is already, or one that is measured now."""
    assert teacher.version  # noqa: S101  (a teacher is one)
    registry = Registry(connect(project), teacher.version.name)
    for earlier in versions_of(registry, result.sha256):
        if earlier.sibling_of == teacher.version.version:
            return registry.get(earlier.version)
    timings = time_both()
    evaluation = evaluate(project, params, f"runs:/{result.run_id}", report=report)
    assert evaluation.delivery  # noqa: S101  (it was made just now)
    delivery = evaluation.delivery.model_copy(update={"speedups": timings})
    version = registry.register(
        result.run_id,
        result.onnx,
        evaluation=evaluation.model_copy(update={"delivery": delivery}),
        data=current_data(project),
        candidates=teacher.version.candidates,
        sibling_of=teacher.version.version,
    )
    page.update(registry, project.state)
    return version
