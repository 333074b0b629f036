"""The trials of a search, side by side: each is a training in a process of its own, told to Optuna and MLflow."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ganlib.core.errors import GanlibError, Interrupted
from ganlib.core.events import Event, TrainingCheck, TrialStart
from ganlib.core.progress import Report, TitledReport
from ganlib.core.project import Project
from ganlib.core.shared_gpu import shared_gpu
from ganlib.core.yaml_edit import flow
from ganlib.families.parts.space import Space
from ganlib.jobs.training import child
from ganlib.jobs.training.study import distributions, finished_trials, requeue
from ganlib.jobs.training.trial import Score
from ganlib.tracking import runs
from ganlib.tracking.runs import REASON_TAG, Run
from ganlib.tracking.store import MlflowStore

if TYPE_CHECKING:
    import optuna


class _EndOfTrial(Exception):
    """Raised into a child's progress to end it."""


class _TrialListener(TitledReport):
    """Hears what a trial's process tells: its run, and its checks, by which Optuna prunes it."""

    def __init__(self, report: Report, trial: optuna.Trial) -> None:
        super().__init__(report, f"trial {trial.number}")
        self._trial = trial
        self.run_id = ""

    def event(self, event: Event) -> None:
        match event:
            case TrialStart(run_id):
                self.run_id = run_id
                self._trial.set_user_attr("run", run_id)
            case TrainingCheck(step, fid):
                self._trial.report(fid, step)
                if self._trial.should_prune():
                    raise _EndOfTrial(f"pruned at step {step}: validation FID {fid:.4g}")
        super().event(event)


class Search:
    """The trials of one call, in threads that each wait for a child."""

    def __init__(
        self,
        project: Project,
        store: MlflowStore,
        study: optuna.Study,
        run: Run,
        family: str,
        dimensions: Space,
        report: Report,
    ) -> None:
        """Nothing runs before :meth:`go_on`; ``run`` is the parent of the trials' runs."""
        self._project, self._store, self._study, self._run, self._report = project, store, study, run, report
        self._family, self._distributions = family, distributions(dimensions)
        self._gate, self._trouble, self._running = threading.Lock(), threading.Event(), 0

    def go_on(self, trials: int, jobs: int, words: Sequence[str], timeout: float, device: str) -> None:
        """Run trials until ``trials`` are done, ``jobs`` side by side, on one ``device``."""
        self._study.set_user_attr("run", self._run.id)
        with self._store.translate_errors():
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
        with (
            shared_gpu(jobs, device, self._report) as more,
            ThreadPoolExecutor(jobs) as pool,
            child.ended_together(),
        ):
            variables |= more
            for worker in [pool.submit(work) for _ in range(jobs)]:
                worker.result()

    def _ask(self, trials: int) -> optuna.Trial | None:
        with self._gate:
            if self._trouble.is_set() or len(finished_trials(self._study)) + self._running >= trials:
                return None
            self._running += 1
            return self._study.ask(self._distributions)

    def _try(self, trial: optuna.Trial, words: Sequence[str], variables: Mapping[str, str], timeout: float) -> None:
        """Train with what ``trial`` proposes, and tell Optuna and MLflow what came of it."""
        from optuna.trial import TrialState

        listener = _TrialListener(self._report, trial)
        options = [f"--set=families.{self._family}.{name}={flow(value)}" for name, value in trial.params.items()]
        try:
            score = Score.model_validate(
                child.run(
                    self._project, ["tune-trial", self._family, *words, *options],
                    timeout=timeout, variables=variables, report=listener,
                )
            )  # fmt: skip
            if score.fid is None:
                self._finish_trial(trial, TrialState.PRUNED, score.problem or "its validation FID is not finite")
            else:
                self._finish_trial(trial, TrialState.COMPLETE, None, score.fid)
        except _EndOfTrial as end:
            self._finish_trial(trial, TrialState.PRUNED, str(end))
            if listener.run_id:
                runs.open_run(self._store, listener.run_id).tag(REASON_TAG, str(end))
        except Interrupted:
            requeue(self._study, trial.number, trial.params)
            raise
        except GanlibError as error:
            trial.set_user_attr("note", str(error))
            self._study.tell(trial, state=TrialState.FAIL)
            raise
        finally:
            if listener.run_id:  # options are what is kept of a trial, not weights
                shutil.rmtree(self._project.run_folder(listener.run_id), ignore_errors=True)

    def _finish_trial(self, trial: optuna.Trial, state: Any, note: str | None, fid: float | None = None) -> None:
        if note:
            trial.set_user_attr("note", note)
        self._study.tell(trial, fid, state=state)
        if fid is not None:
            best = min(each.value for each in finished_trials(self._study) if each.value is not None)
            self._run.log({"quality/validation_fid": fid, "quality/best_validation_fid": best}, trial.number)

    def _tell_progress(self, trials: int) -> None:
        results = finished_trials(self._study)
        values = [each.value for each in results if each.value is not None]
        facts: dict[str, float | int | str] = {"pruned": sum(each.value is None for each in results)}
        if values:
            facts["best_fid"] = min(values)
        self._report.advance(f"tune {self._family}", min(len(results), trials), trials, facts)
