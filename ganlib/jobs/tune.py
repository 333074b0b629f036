"""A search for a family's options by validation FID: Optuna proposes and prunes, each trial is a training of its own.

The search holds its study's lock, so a trial that is RUNNING when the lock is taken is of a process that is dead.
"""

from __future__ import annotations

import json
import logging
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ganlib import config as configs
from ganlib import families, sqlite
from ganlib import project as projects
from ganlib.config import Frozen, Params
from ganlib.data.record import DataVersion
from ganlib.errors import BadInput, GanlibError, Interrupted, unknown
from ganlib.families.space import Choice, Space, tree, value_of
from ganlib.files import sha256_bytes, write_bytes
from ganlib.jobs import child
from ganlib.jobs.check import STAGE as CHECK
from ganlib.jobs.train import run_folder
from ganlib.jobs.trial import STAGE as TRIAL
from ganlib.jobs.trial import Score
from ganlib.jobs.version_data import current_data
from ganlib.locks import held
from ganlib.processes import usable_cores
from ganlib.progress import Facts, Report, silent
from ganlib.project import Project
from ganlib.tracking import history
from ganlib.tracking.reap import reap
from ganlib.tracking.run import REASON_TAG, Run
from ganlib.tracking.store import Absent, Store, connect
from ganlib.yamledit import flow, lay_over

if TYPE_CHECKING:
    import optuna

_AGAIN = "again"
"""Of a queued trial: the number of the one that was cut off."""


class Trial(Frozen):
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


class Found(Frozen):
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


class _Pruned(Exception):
    """Raised into a child's progress to end it."""


def space(params: Params, family: str, only: Sequence[str] = ()) -> Space:
    """What a search of ``family`` tries: its own space, or ``only`` some of it, around the options as they are.

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
) -> Found:
    """Try options of ``family`` until ``trials`` trials are done, those of earlier calls with the same arguments too.

    The first trial is of the options as they are, so that the best is never worse by the figure that is searched for.
    Only the training and validation splits are read.

    Args:
        project: the checkout; Optuna's database is ``.ganlib/tune/optuna.db``.
        params: the configuration, ``overrides`` already applied.
        family: a name of :func:`ganlib.families.names`.
        trials: complete and pruned ones.
        jobs: trials side by side, each in a process of its own with its share of the cores.
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
    trial_settings = {
        "train.checks": checks,
        # So that the budget has that many of them, and no rounding costs one.
        "train.seconds_per_check": limits.seconds / (checks + 0.5),
        "train.unhealthy": "stop",
        "train.patience": 0,
    }
    if jobs > 1 and not params.train.threads:
        trial_settings["train.threads"] = max(1, usable_cores() // jobs)
    name = _name(params, family, budget, checks, dimensions, data)
    store = connect(project)
    folder = project.state / "tune" / name
    with held(folder / "lock", what="search with the same arguments", patience=2):
        reap(store)
        study = _open(project, name, seed=params.train.seed)
        _redo(study)
        if not study.trials:
            options = families.configured(params, family).model_dump()
            study.enqueue_trial({each: value_of(options, each) for each in dimensions})
        with (
            _sigterm_interrupts(),
            store.start_run(
                f"tune {family} ({budget or params.train.budget})",
                family=family,
                params={"trials": trials, "jobs": jobs, **{key: str(value) for key, value in dimensions.items()}},
                tags={"ganlib.overrides": " ".join(overrides) or "none", "ganlib.study": name},
                data=data,
                source=projects.source(project.root),
                experiment=f"{params.registry.experiment}-search",
                resume=_earlier(store, study),
            ) as run,
        ):
            study.set_user_attr("run", run.id)
            search = _Search(project, store, study, run, family, dimensions, report)
            words = [f"--budget={budget}"] if budget else []
            words += [f"--set={each}" for each in overrides]
            words += [f"--set={key}={flow(value)}" for key, value in trial_settings.items()]
            search.go_on(trials, jobs, words, timeout=limits.seconds * 1.5 + 300)
            found = _found(study, family, run.id, folder / "best.yaml")
            write_bytes(found.patch_file, found.patch.encode())
            run.artifact(found.patch_file)
            run.text(json.dumps([each.model_dump(mode="json") for each in found.trials], indent=2), "trials.json")
    if apply:
        text = project.params_file.read_text(encoding="utf-8")
        changed = lay_over(text, yaml.safe_load(found.patch))
        configs.parse(Params, yaml.safe_load(changed), where="params.yaml with the best")
        write_bytes(project.params_file, changed.encode())
    return found.model_copy(update={"applied": apply})


class _Search:
    """The trials of one call, in threads that each wait for a child."""

    def __init__(
        self,
        project: Project,
        store: Store,
        study: optuna.Study,
        run: Run,
        family: str,
        dimensions: Space,
        report: Report,
    ) -> None:
        self._project, self._store, self._study, self._run, self._report = project, store, study, run, report
        self._family, self._distributions = family, _distributions(dimensions)
        self._gate, self._trouble, self._running = threading.Lock(), threading.Event(), 0

    def go_on(self, trials: int, jobs: int, words: Sequence[str], timeout: float) -> None:
        """Until ``trials`` are done, ``jobs`` side by side."""
        with self._store.talking():
            experiment = self._store.client.get_run(self._run.id).info.experiment_id
        variables = {"MLFLOW_RUN_ID": self._run.id, "MLFLOW_EXPERIMENT_ID": experiment}

        def work() -> None:
            while (trial := self._ask(trials)) is not None:
                try:
                    self._try(trial, words, variables, timeout)
                except BaseException:
                    self._trouble.set()
                    raise
                finally:
                    with self._gate:
                        self._running -= 1
                    self._tell_progress(trials)

        self._tell_progress(trials)
        # In threads, so that a Ctrl-C here is seen at once and the children are given the time to end their runs.
        with ThreadPoolExecutor(jobs) as pool, child.ended_together():
            for worker in [pool.submit(work) for _ in range(jobs)]:
                worker.result()

    def _ask(self, trials: int) -> optuna.Trial | None:
        with self._gate:
            if self._trouble.is_set() or len(_settled(self._study)) + self._running >= trials:
                return None
            self._running += 1
            return self._study.ask(self._distributions)

    def _try(self, trial: optuna.Trial, words: Sequence[str], variables: Mapping[str, str], timeout: float) -> None:
        """Train with what ``trial`` proposes, and tell Optuna and MLflow what came of it."""
        from optuna.trial import TrialState

        seen: dict[str, Any] = {"run": None}

        def listen(stage: str, done: int, total: int, facts: Facts | None = None) -> None:
            facts = facts or {}
            if stage == TRIAL:
                seen["run"] = facts["run"]
                trial.set_user_attr("run", facts["run"])
            elif stage == CHECK:
                trial.report(float(facts["validation_fid"]), int(facts["step"]))
                if trial.should_prune():
                    raise _Pruned(f"pruned at step {facts['step']}: validation FID {facts['validation_fid']:.4g}")
            self._report(f"trial {trial.number}", done, total, facts)

        options = [f"--set=families.{self._family}.{name}={flow(value)}" for name, value in trial.params.items()]
        try:
            scored = Score.model_validate(
                child.run(
                    self._project, ["tune-trial", self._family, *words, *options],
                    timeout=timeout, variables=variables, report=listen,
                )
            )  # fmt: skip
            if scored.fid is None:
                self._settle(trial, TrialState.PRUNED, scored.problem or "its validation FID is not finite")
            else:
                self._settle(trial, TrialState.COMPLETE, None, scored.fid)
        except _Pruned as pruned:
            self._settle(trial, TrialState.PRUNED, str(pruned))
            if seen["run"]:
                self._store.open_run(seen["run"]).tag(REASON_TAG, str(pruned))
        except Interrupted:
            _cut_off(self._study, trial.number, trial.params)
            raise
        except GanlibError as error:
            trial.set_user_attr("note", str(error))
            self._study.tell(trial, state=TrialState.FAIL)
            raise
        finally:
            if seen["run"]:  # options are what is kept of a trial, not weights
                shutil.rmtree(run_folder(self._project, seen["run"]), ignore_errors=True)

    def _settle(self, trial: optuna.Trial, state: Any, note: str | None, fid: float | None = None) -> None:
        if note:
            trial.set_user_attr("note", note)
        self._study.tell(trial, fid, state=state)
        if fid is not None:
            best = min(each.value for each in _settled(self._study) if each.value is not None)
            self._run.log({"quality/validation_fid": fid, "quality/best_validation_fid": best}, trial.number)

    def _tell_progress(self, trials: int) -> None:
        settled = _settled(self._study)
        values = [each.value for each in settled if each.value is not None]
        facts: dict[str, float | int | str] = {"pruned": sum(each.value is None for each in settled)}
        if values:
            facts["best_fid"] = min(values)
        self._report(f"tune {self._family}", min(len(settled), trials), trials, facts)


def _name(params: Params, family: str, budget: str | None, checks: int, dimensions: Space, data: DataVersion) -> str:
    """Of a study: the family, and a digest of all that its figures depend on."""
    identity = [
        params.families.get(family, {}),
        params.limits(family, budget).model_dump(),
        [params.train.seed, params.train.check_samples, checks],
        {name: dimension.model_dump() for name, dimension in dimensions.items()},
        data.md5,
    ]
    return f"{family}-{sha256_bytes(json.dumps(identity, sort_keys=True).encode())[:8]}"


def _open(project: Project, name: str, seed: int) -> optuna.Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # its news would tear our progress display
    logging.getLogger("alembic").setLevel(logging.WARNING)
    path = project.state / "tune" / "optuna.db"
    with held(path.with_suffix(".lock"), what="process that prepares Optuna's database"):
        if not path.exists():  # so that a kill, or Optuna's own dashboard beside this, does not meet half a database

            def build(new: Path) -> None:
                optuna.storages.RDBStorage(f"sqlite:///{new}").engine.dispose()

            sqlite.make(path, path.with_name("optuna-new"), build)
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}})
        study = optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)
    # A sampler begins anew in every process: from another seed, or it would propose what it has proposed.
    study.sampler = optuna.samplers.TPESampler(
        seed=seed + 1_000_003 * len(study.trials), n_startup_trials=8, multivariate=True, constant_liar=True
    )
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0)
    return study


def _redo(study: optuna.Study) -> None:
    """Fail the trials that a dead process left RUNNING, and queue what they tried."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        _cut_off(study, trial.number, trial.params)


def _cut_off(study: optuna.Study, number: int, params: Mapping[str, Any]) -> None:
    """Queue first: a kill in between leaves it RUNNING, and the next call fails it without a second copy."""
    from optuna.trial import TrialState

    queued = {trial.user_attrs.get(_AGAIN) for trial in study.get_trials(deepcopy=False)}
    if params and number not in queued:
        study.enqueue_trial(dict(params), user_attrs={_AGAIN: number})
    study.tell(number, state=TrialState.FAIL)


def _settled(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState

    found: list[optuna.trial.FrozenTrial] = study.get_trials(
        deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)
    )
    return found


def _earlier(store: Store, study: optuna.Study) -> str | None:
    """The run of an earlier call that was cut off; what had ended well is not opened again."""
    run_id = study.user_attrs.get("run")
    try:
        return run_id if run_id and history.read(store, run_id).status not in {"FINISHED", "RUNNING"} else None
    except Absent:  # another store, or deleted
        return None


def _distributions(dimensions: Space) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    return {
        name: CategoricalDistribution(each.values)
        if isinstance(each, Choice)
        else IntDistribution(int(each.low), int(each.high), log=each.log)
        if each.whole
        else FloatDistribution(each.low, each.high, log=each.log)
        for name, each in dimensions.items()
    }


def _found(study: optuna.Study, family: str, run_id: str, patch_file: Path) -> Found:
    trials = tuple(
        Trial(
            number=each.number, state=each.state.name, fid=each.value if each.state.name == "COMPLETE" else None,
            params=each.params, run_id=each.user_attrs.get("run"), note=each.user_attrs.get("note"),
        )
        for each in study.get_trials(deepcopy=False)
        if each.state.is_finished()
    )  # fmt: skip
    scored = [trial for trial in trials if trial.fid is not None]
    if not scored:
        raise BadInput(f"no trial of {family} came to a figure: {'; '.join(t.note or t.state for t in trials)}.")
    best = min(scored, key=lambda trial: trial.fid or 0.0)
    said = f"# {study.study_name}, trial {best.number} of {len(trials)}: validation FID {best.fid:.4g}\n"
    patch = said + yaml.safe_dump({"families": {family: tree(best.params)}}, sort_keys=False)
    return Found(
        study=study.study_name, family=family, trials=trials, best=best, patch=patch, patch_file=patch_file,
        run_id=run_id, applied=False,
    )  # fmt: skip


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """The first SIGTERM ends a search as Ctrl-C does: its trials are queued again and their runs ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
