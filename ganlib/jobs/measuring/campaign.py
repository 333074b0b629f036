"""Trainings that belong together and survive an interruption: the same command finds what was done and goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes, write_json
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.shared_gpu import shared_gpu
from ganlib.core.threads import core_share
from ganlib.data.versioning.record import DataVersion
from ganlib.jobs.measuring.selection import of_limits
from ganlib.jobs.training import child
from ganlib.jobs.training.launch import train_in_child
from ganlib.tracking import history
from ganlib.tracking.reap import reap
from ganlib.tracking.store import MlflowStore


class Campaign:
    """The training of ``families`` by one command, one after the other so that each has the machine to itself, or
    ``jobs`` side by side, each with its share of the cores, all on one GPU.

    What tells its runs from earlier ones is a list of those, kept in the state folder until :meth:`close`: their times
    are of clocks that may have been set since.
    """

    def __init__(
        self,
        project: Project,
        params: Params,
        store: MlflowStore,
        data: DataVersion,
        families: Sequence[str],
        *,
        budget: str | None,
        jobs: int = 1,
        overrides: Sequence[str],
    ) -> None:
        """The arguments together say which campaign it is; see :func:`ganlib.jobs.measuring.compare.compare`."""
        self._project, self._params, self._store = project, params, store
        self._families, self._budget, self._overrides = tuple(families), budget, tuple(overrides)
        self._jobs = jobs
        identity = [params.model_dump_json(), data.md5, sorted(families), budget, self._overrides]
        self._path = project.state / "compare" / f"{sha256_bytes(json.dumps(identity).encode())[:16]}.json"

    def run(self, report: Report = silent) -> dict[str, str]:
        """Train what is not trained yet; the run id of each family.

        Raises:
            BadInput: a run of it still goes on in another process.
            GanlibError: a training failed, or was interrupted.
        """
        reap(self._store)
        before = self.earlier_runs()
        # In a thread, so that a Ctrl-C here is seen at once and the child is given the time to save its state.
        with (
            shared_gpu(self._jobs, self._params.train.device, report) as variables,
            ThreadPoolExecutor(self._jobs) as pool,
            child.ended_together(),
        ):
            if self._jobs > 1:
                variables = {"OMP_NUM_THREADS": str(core_share(self._jobs)), **variables}
            runs = pool.map(lambda family: self._train(family, before, variables, report), self._families)
            return dict(zip(self._families, runs, strict=True))

    def close(self) -> None:
        """Forget it: the same command trains anew."""
        self._path.unlink(missing_ok=True)

    def earlier_runs(self) -> set[str]:
        """Ids of the runs of its families that were there when it began."""
        try:
            return set(json.loads(self._path.read_bytes())["before"])
        except (OSError, ValueError, KeyError, TypeError):
            experiment = self._params.registry.experiment
            earlier = {run.id for name in self._families for run in history.of_family(self._store, experiment, name)}
            write_json(self._path, {"before": sorted(earlier), "families": self._families})
            return earlier

    def _train(self, family: str, before: set[str], variables: Mapping[str, str], report: Report) -> str:
        limits = self._params.limits(family, self._budget)
        resume = None
        for run in history.of_family(self._store, self._params.registry.experiment, family):
            if run.id in before:
                continue
            if not of_limits(run, limits) or run.tags.get("ganlib.overrides") != (" ".join(self._overrides) or "none"):
                continue
            if run.status == "FINISHED" and history.has_graph(self._store, run.id):
                return run.id
            if run.status == "RUNNING":
                raise BadInput(f"run {run.id} of {family} still goes on in another process: wait for it, or end it.")
            if run.status == "KILLED" and (self._project.run_folder(run.id) / "checkpoint.pt").is_file():
                resume = run.id
                break
        return train_in_child(
            self._project, self._params, family,
            budget=self._budget, resume=resume, concurrent=self._jobs, overrides=self._overrides, variables=variables,
            report=report,
        ).run_id  # fmt: skip
