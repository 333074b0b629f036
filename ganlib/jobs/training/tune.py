"""A search for a family's options by validation FID: Optuna proposes and prunes, each trial is a training of its own.

The search holds its study's lock, so a trial that is RUNNING when the lock is taken is of a process that is dead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ganlib import config as configs
from ganlib import families
from ganlib.config import Limits, Params
from ganlib.core import project as projects
from ganlib.core.errors import BadInput, unknown
from ganlib.core.files import write_bytes
from ganlib.core.locks import hold
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.core.signals import sigterm_interrupts
from ganlib.core.threads import core_share
from ganlib.core.yaml_edit import flow, lay_over
from ganlib.families.parts.space import Space, tree, value_of
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.training.search import Search
from ganlib.jobs.training.study import open_study, requeue_running, study_name
from ganlib.tracking import history, runs
from ganlib.tracking.reap import reap
from ganlib.tracking.runs import Run
from ganlib.tracking.store import Absent, MlflowStore, connect

if TYPE_CHECKING:
    import optuna


class Trial(Record):
    """One trial that is done."""

    number: int
    state: str
    """COMPLETE, PRUNED, or FAIL."""
    fid: float | None
    params: dict[str, Any]
    """By dotted name."""
    run_id: str | None
    note: str | None
    """Why it ended early."""


class TuneResult(Record):
    """What a search has found so far."""

    study: str
    """Its name in Optuna's storage."""
    family: str
    trials: tuple[Trial, ...]
    best: Trial
    patch: str
    """The best as YAML for params.yaml, comments say of what."""
    patch_file: Path
    run_id: str
    """The MLflow run whose children the trials are."""
    applied: bool

    def summary(self) -> str:
        """For people."""
        count = {state: sum(trial.state == state for trial in self.trials) for state in ("COMPLETE", "PRUNED", "FAIL")}
        first = next((trial for trial in self.trials if trial.number == 0 and trial.fid is not None), None)
        than = f", {first.fid:.2f} with the options as they were" if first else ""
        return (
            f"{count['COMPLETE']} trials of {self.family}, {count['PRUNED']} pruned, {count['FAIL']} cut off; the best "
            f"is trial {self.best.number}: validation FID {self.best.fid:.2f}{than}\n{self.patch}"
            + ("written to params.yaml" if self.applied else f"kept in {self.patch_file}; --apply writes params.yaml")
        )


def space(params: Params, family: str, only: Sequence[str] = ()) -> Space:
    """Return what a search of ``family`` tries: its own space, or ``only`` some of it, around the options as they are.

    Raises:
        BadInput: ``only`` names what is not in it.
    """
    families.configured(params, family)
    whole = families.load(family).space()
    for name in only:
        if name not in whole:
            raise unknown(f"option of {family}'s search space:", name, whole)
    return {name: dimension for name, dimension in whole.items() if not only or name in only}


def tune(
    project: Project,
    params: Params,
    family: str,
    *,
    trials: int,
    jobs: int = 1,
    budget: str | None = None,
    checks: int = 5,
    only: Sequence[str] = (),
    apply: bool = False,
    overrides: Sequence[str] = (),
    report: Report = silent,
) -> TuneResult:
    """Try options of ``family`` until ``trials`` trials are done, those of earlier calls with the same arguments too.

    The first trial is of the options as they are, so that the best is never worse by the figure that is searched for.
    Only the training and validation splits are read.

    Args:
        project: the checkout; Optuna's database is ``.ganlib/tune/optuna.db``.
        params: the configuration, ``overrides`` already applied.
        family: a name of :func:`ganlib.families.names`.
        trials: complete and pruned ones.
        jobs: trials side by side, each in a process of its own with its share of the cores, all on one GPU.
        budget: of each trial, a row of ``budgets``.
        checks: validation FIDs over a trial; each may end it.
        only: names of the search space; none for all.
        apply: write the best to params.yaml, whose comments stay.
        overrides: what the command line changed.
        report: told of progress.

    Raises:
        BadInput: an unknown family, budget or option; nothing was found.
        Unavailable: MLflow is away, or another process does this very search.
        GanlibError: a trial failed for another reason than its options. The others are kept.
    """
    dimensions, limits, data = space(params, family, only), params.limits(family, budget), current_data(project)
    words = _words(budget, overrides, _trial_settings(params, limits, checks, jobs))
    name, store = study_name(params, family, budget, checks, dimensions, data), connect(project)
    folder = project.state / "tune" / name
    with hold(folder / "lock", what="search with the same arguments", patience=2):
        reap(store)
        study = _open_study(project, params, family, name, dimensions)
        title = f"tune {family} ({budget or params.train.budget})"
        facts = {"trials": trials, "jobs": jobs, **{key: str(value) for key, value in dimensions.items()}}
        tags = {"ganlib.overrides": " ".join(overrides) or "none", "ganlib.study": name}
        with (
            sigterm_interrupts(),
            runs.start(store,
                title, family=family, params=facts, tags=tags, data=data, source=projects.source(project.root),
                experiment=f"{params.registry.experiment}-search", prices=params.costs, resume=_earlier(store, study),
            ) as run,
        ):  # fmt: skip
            search = Search(project, store, study, run, family, dimensions, report)
            search.go_on(trials, jobs, words, limits.seconds * 1.5 + 300, params.train.device)
            result = _log(run, _result(study, family, run.id, folder / "best.yaml"))
    if apply:
        _apply(project, result)
    return result.model_copy(update={"applied": apply})


def _open_study(project: Project, params: Params, family: str, name: str, dimensions: Space) -> optuna.Study:
    """Return the study, in which nothing runs; a new one begins with the options as they are."""
    study = open_study(project, name, seed=params.train.seed)
    requeue_running(study)
    if not study.trials:
        options = families.configured(params, family).model_dump()
        study.enqueue_trial({each: value_of(options, each) for each in dimensions})
    return study


def _trial_settings(params: Params, limits: Limits, checks: int, jobs: int) -> dict[str, object]:
    """Return what is set for every trial, by key of params.yaml."""
    settings: dict[str, object] = {
        "train.checks": checks,
        # So that the budget has that many of them, and no rounding costs one.
        "train.seconds_per_check": limits.seconds / (checks + 0.5),
        "train.unhealthy": "stop",
        "train.patience": 0,
    }
    if jobs > 1 and not params.train.threads:
        settings["train.threads"] = core_share(jobs)
    return settings


def _words(budget: str | None, overrides: Sequence[str], settings: Mapping[str, object]) -> list[str]:
    """Return what every trial's command says besides its family and its options."""
    words = [f"--budget={budget}"] if budget else []
    words += [f"--set={each}" for each in overrides]
    return words + [f"--set={key}={flow(value)}" for key, value in settings.items()]


def _log(run: Run, result: TuneResult) -> TuneResult:
    """Keep what was found as files, here and in the search's run."""
    write_bytes(result.patch_file, result.patch.encode())
    run.artifact(result.patch_file)
    run.text(json.dumps([each.model_dump(mode="json") for each in result.trials], indent=2), "trials.json")
    return result


def _apply(project: Project, result: TuneResult) -> None:
    """Write the best options to params.yaml, whose comments stay."""
    text = project.params_file.read_text(encoding="utf-8")
    new_text = lay_over(text, yaml.safe_load(result.patch))
    configs.parse(Params, yaml.safe_load(new_text), where="params.yaml with the best")
    write_bytes(project.params_file, new_text.encode())


def _earlier(store: MlflowStore, study: optuna.Study) -> str | None:
    """The run of an earlier call that was cut off; what had ended well is not opened again."""
    run_id = study.user_attrs.get("run")
    try:
        return run_id if run_id and history.read(store, run_id).status not in {"FINISHED", "RUNNING"} else None
    except Absent:  # another store, or deleted
        return None


def _result(study: optuna.Study, family: str, run_id: str, patch_file: Path) -> TuneResult:
    trials = tuple(
        Trial(
            number=each.number, state=each.state.name, fid=each.value if each.state.name == "COMPLETE" else None,
            params=each.params, run_id=each.user_attrs.get("run"), note=each.user_attrs.get("note"),
        )
        for each in study.get_trials(deepcopy=False)
        if each.state.is_finished()
    )  # fmt: skip
    candidates = [trial for trial in trials if trial.fid is not None]
    if not candidates:
        raise BadInput(f"no trial of {family} came to a figure: {'; '.join(t.note or t.state for t in trials)}.")
    best = min(candidates, key=lambda trial: trial.fid or 0.0)
    title = f"# {study.study_name}, trial {best.number} of {len(trials)}: validation FID {best.fid:.4g}\n"
    patch = title + yaml.safe_dump({"families": {family: tree(best.params)}}, sort_keys=False)
    return TuneResult(
        study=study.study_name, family=family, trials=trials, best=best, patch=patch, patch_file=patch_file,
        run_id=run_id, applied=False,
    )  # fmt: skip
