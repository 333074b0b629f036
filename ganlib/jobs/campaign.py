"""Trainings that belong together and survive an interruption: the same command finds what was done and goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ganlib.config import Params
from ganlib.data.record import DataVersion
from ganlib.errors import BadInput
from ganlib.files import sha256_bytes, write_json
from ganlib.jobs import child
from ganlib.jobs.retrain import train_in_child
from ganlib.jobs.selection import of_limits
from ganlib.jobs.train import run_folder
from ganlib.progress import Report, silent
from ganlib.project import Project
from ganlib.tracking import history
from ganlib.tracking.reap import reap
from ganlib.tracking.store import Store


class Campaign:
    """The training of ``families`` by one command, one after the other so that each has the machine to itself.

    What tells its runs from earlier ones is the time it began, kept in the state folder until :meth:`close`.
    """

    def __init__(
        self,
        project: Project,
        params: Params,
        store: Store,
        data: DataVersion,
        families: Sequence[str],
        *,
        budget: str | None,
        overrides: Sequence[str],
    ) -> None:
        """The arguments together say which campaign it is; see :func:`ganlib.jobs.compare.compare`."""
        self._project, self._params, self._store = project, params, store
        self._families, self._budget, self._overrides = tuple(families), budget, tuple(overrides)
        identity = [params.model_dump_json(), data.md5, sorted(families), budget, self._overrides]
        self._path = project.state / "compare" / f"{sha256_bytes(json.dumps(identity).encode())[:16]}.json"

    def run(self, report: Report = silent) -> dict[str, str]:
        """Train what is not trained yet; the run id of each family.

        Raises:
            BadInput: a run of it still goes on in another process.
            GanlibError: a training failed, or was interrupted.
        """
        reap(self._store)
        since = self._since()
        # In a thread, so that a Ctrl-C here is seen at once and the child is given the time to save its state.
        with ThreadPoolExecutor(1) as pool, child.ended_together():
            return dict(
                zip(
                    self._families,
                    pool.map(lambda family: self._train(family, since, report), self._families),
                    strict=True,
                )
            )

    def close(self) -> None:
        """Forget it: the same command trains anew."""
        self._path.unlink(missing_ok=True)

    def _since(self) -> int:
        """When it began, Unix time in milliseconds."""
        try:
            return int(json.loads(self._path.read_bytes())["started"])
        except (OSError, ValueError, KeyError, TypeError):
            now = int(time.time() * 1000)
            write_json(self._path, {"started": now, "families": self._families})
            return now

    def _train(self, family: str, since: int, report: Report) -> str:
        limits = self._params.limits(family, self._budget)
        resume = None
        for run in history.of_family(self._store, self._params.registry.experiment, family):
            if run.started < since:
                break
            if not of_limits(run, limits) or run.tags.get("ganlib.overrides") != (" ".join(self._overrides) or "none"):
                continue
            if run.status == "FINISHED" and history.has_graph(self._store, run.id):
                return run.id
            if run.status == "RUNNING":
                raise BadInput(f"run {run.id} of {family} still goes on in another process: wait for it, or end it.")
            if run.status == "KILLED" and (run_folder(self._project, run.id) / "checkpoint.pt").is_file():
                resume = run.id
                break
        return train_in_child(
            self._project, self._params, family,
            budget=self._budget, resume=resume, overrides=self._overrides, report=report,
        ).run_id  # fmt: skip
