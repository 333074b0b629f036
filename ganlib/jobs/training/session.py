"""A training's run in MLflow, with everything checked that can be checked before the first step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib import families
from ganlib.config import Limits, Params, TrainConfig
from ganlib.core import project as projects
from ganlib.core.files import sha256_bytes, sha256_file
from ganlib.core.progress import Report, doing, silent
from ganlib.core.project import Project
from ganlib.core.signals import stop_requests
from ganlib.core.startup import gc_paused
from ganlib.evaluation.needs import fitted
from ganlib.jobs.data.judge import judge_for
from ganlib.jobs.data.report import attach
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.training.parent import ParentModel, find_parent
from ganlib.jobs.training.teacher import Teacher
from ganlib.tracking import runs
from ganlib.tracking.reap import open_store

if TYPE_CHECKING:
    import torch

    from ganlib.data.versioning.record import DataVersion
    from ganlib.evaluation.judge.judge import Judge
    from ganlib.families.parts.base import FamilyOptions
    from ganlib.tracking.runs import Run
    from ganlib.training.distributed import Team

CODE_TAG = "ganlib.code_sha256"
"""Of a run: :func:`code_sha256` of what trained it."""


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
    options: FamilyOptions
    """The family's, with what the number of training images decides."""
    parent: ParentModel | None
    """Whose weights it begins from."""
    judge: Callable[[], Judge]
    """Gives the judge of the data; the first call may train it."""
    teacher: Teacher | None = None
    """Whose student is trained."""


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
    teacher: Teacher | None = None,
    report: Report = silent,
) -> Iterator[Session]:
    """Provide a run to train ``family`` in, or a student of ``teacher``, with all checked that can be before it starts.

    Raises as :func:`train`.
    """
    with doing("import torch"), gc_paused():
        from ganlib.training import device as devices
        from ganlib.training import distributed

    settings = params.train
    limits = params.limits(family, budget)
    families.configured(params, family)  # a mistake in options is told first
    data = current_data(project)
    fitted(params.evaluate, data.counts)  # what is too small to be measured is not trained on
    options = families.for_data(params, family, data.spec, data.counts["train"])
    require_batch(data, options.batch_size)
    device = devices.prepare(settings.device, settings.threads, allow_cpu=settings.allow_cpu)
    parent = find_parent(project, params, family, data.spec, resume)
    config = {**shape(params, family, limits, options, data, parent), **(teacher.shapes(params) if teacher else {})}
    judge = cache(lambda: judge_for(project, params, data, report))
    if config["checks"] or verb == "try":
        judge()  # one that is missing is trained now, and not in the time of the training
    store = open_store(project)
    with (
        stop_requests() as stop,
        distributed.join(device.type) as team,
        runs.start(
            store,
            " ".join((*([] if verb == "train" else [verb]), family, budget or params.train.budget)),
            family=f"{family} distilled" if teacher else family,  # a student is not the newest of its family
            params=flat(config),
            tags=_tags(data, overrides, None if resume else parent, teacher),
            data=data,
            source=projects.source(project.root),
            experiment=params.registry.experiment,
            prices=params.costs,
            resume=resume,
        ) as run,
    ):
        if team.leads and resume is None:
            attach(project, run)
        _tag_machine(run, params.train, device, team)
        yield Session(run, stop, team, device, limits, config, data, options, parent, judge, teacher)


def _tags(
    data: DataVersion, overrides: Sequence[str], parent: ParentModel | None, teacher: Teacher | None
) -> dict[str, str]:
    return {
        "ganlib.overrides": " ".join(overrides) or "none",
        CODE_TAG: code_sha256(),
        "ganlib.dataset": data.spec.name,
        "ganlib.image": str(data.spec.image),
        **({runs.INIT_TAG: str(parent)} if parent else {}),
        **(teacher.tags() if teacher else {}),
    }


def _tag_machine(run: Run, settings: TrainConfig, device: torch.device, team: Team) -> None:
    run.tag("ganlib.device", str(device))
    if device.type == "cuda":
        import torch

        run.hold_gpus(team.size, [f"GPU-{torch.cuda.get_device_properties(device).uuid}"])
    if settings.allow_cpu and device.type == "cpu" and settings.device.startswith("cuda"):
        run.tag("ganlib.device_missing", f"{settings.device} was asked for; --allow-cpu")
    if team.size > 1:
        run.tag("ganlib.processes", str(team.size))


@cache
def code_sha256() -> str:
    """Return the digest of this package's Python files: equal where a training would do the same."""
    root = Path(str(files("ganlib")))
    return sha256_bytes("".join(sha256_file(path) for path in sorted(root.rglob("*.py"))).encode())


def require_batch(data: DataVersion, batch_size: int) -> None:
    """Raise :class:`BadInput` if the training split has fewer images than a batch."""
    from ganlib.data.batches import too_large

    if batch_size > (images := data.counts["train"]):
        raise too_large(batch_size, images)


def shape(
    params: Params, family: str, limits: Limits, options: FamilyOptions, data: DataVersion, parent: ParentModel | None
) -> dict[str, Any]:
    """Return what shapes a run: a resume must find all of it unchanged."""
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
        "init": parent.run_id if parent else None,
        **flat(options.model_dump(mode="json")),
    }


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as ``outer.inner`` keys, for MLflow's flat parameters."""
    pairs: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            pairs |= flat(value, f"{prefix}{key}.")
        else:
            pairs[prefix + key] = value
    return pairs
