"""Ends runs whose process was killed: MLflow itself leaves them RUNNING for ever."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganlib.core import processes
from ganlib.core.errors import GanlibError, ReadOnly, Unavailable
from ganlib.core.files import explained, write_json
from ganlib.core.progress import doing
from ganlib.core.project import Project
from ganlib.tracking.outbox import Point
from ganlib.tracking.runs import HEARTBEAT_TAG, PROCESS_TAG, REASON_TAG, send, spool_file
from ganlib.tracking.store import MlflowStore, connect

_SILENT = 600
"""Seconds without a sign of life after which a process that cannot be seen from here is taken for dead.

They are counted here, from when the last one was first seen: clocks of two machines differ, and each may be set.
"""
_RECENT_SECONDS = 120
"""The same in seconds between the last one and now, for a process of an earlier run of this machine.

Another machine of the same name and installation, which clones are, must not have its living trainings ended.
"""


def open_store(project: Project) -> MlflowStore:
    """:func:`connect`, and end first what a killed process left running, if that may be written. Raises as both do."""
    store = connect(project)
    with suppress(ReadOnly):
        reap(store)
    return store


@doing("look for runs that were killed")
def reap(store: MlflowStore) -> list[str]:
    """End as KILLED all running runs of ours whose process is gone, and replay metrics that were spooled.

    A process of this host is looked up; one of another host or container is gone once its heartbeat has stood still
    for ten minutes, between two calls of this function.

    Returns:
        Ids of the runs that were ended.
    """
    reasons = dead(store)
    with store.translate_errors():
        for run_id, reason in reasons.items():
            store.client.set_tag(run_id, REASON_TAG, reason)
            store.client.set_terminated(run_id, "KILLED")
    _replay(store)
    return list(reasons)


def dead(store: MlflowStore) -> dict[str, str]:
    """Return why, by the id of each running run of ours whose process is gone; nothing is changed in MLflow."""
    watch = _Watch(store.project.state / "heartbeats.json")
    with store.translate_errors():
        experiments = [experiment.experiment_id for experiment in store.client.search_experiments()]
        runs = store.client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=1000)
        reasons = {run.info.run_id: _why_dead(run.info.run_id, run.data.tags, watch) for run in runs}
    watch.save()
    return {run_id: reason for run_id, reason in reasons.items() if reason}


class _Watch:
    """For how long heartbeats of processes elsewhere have stood still, seen by this machine's clock since its boot."""

    def __init__(self, path: Path) -> None:
        """``path`` holds what earlier calls saw; a damaged file counts as none."""
        self._path = path
        self._boot, self._now = processes.clock()
        try:
            self._before: dict[str, list[Any]] = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            self._before = {}
        self._beats: dict[str, list[Any]] = {}

    def silence(self, run_id: str, beat: str) -> float:
        """Seconds since ``beat`` was first seen here; 0 if that is now."""
        entry = self._before.get(run_id)
        match entry:
            case [last_beat, boot, float(since)] if (last_beat, boot) == (beat, self._boot) and since <= self._now:
                self._beats[run_id] = [last_beat, boot, since]
                return self._now - since
        self._beats[run_id] = [beat, self._boot, self._now]
        return 0.0

    def save(self) -> None:
        """Keep it for the next call. Where nothing can be written nobody elsewhere is ever taken for dead."""
        if self._beats != self._before:
            with suppress(OSError):
                write_json(self._path, self._beats)


def _why_dead(run_id: str, tags: Mapping[str, str], watch: _Watch) -> str | None:
    """Why a run's process is taken for dead; None if it lives, or the run is not ours."""
    try:
        process: dict[str, Any] = json.loads(tags[PROCESS_TAG])
        if processes.elsewhere(process):
            silent = watch.silence(run_id, tags[HEARTBEAT_TAG])
            return f"no sign of life from {process['host']} for {silent:.0f} s" if silent > _SILENT else None
        if processes.rebooted(process):
            recent = abs(time.time() - float(tags[HEARTBEAT_TAG])) <= _RECENT_SECONDS
            return None if recent else "its machine was started anew"
        return None if processes.find(process) else "its process was killed, or ended while MLflow was away"
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _replay(store: MlflowStore) -> None:
    """Send metric values that outlived their run on disk; a file is removed once MLflow has all of it.

    A file that MLflow does not want stays: its run may be of another store, or deleted. That is no reason to stop.
    """
    for path in sorted(spool_file(store, "any").parent.glob("*.jsonl")):
        try:
            points = [Point(*json.loads(line)) for line in path.read_text().splitlines()]
            for start in range(0, len(points), 1000):
                send(store, path.stem, points[start : start + 1000])
        except Unavailable:
            raise
        except (GanlibError, ValueError, TypeError) as error:
            logging.getLogger("ganlib").warning("the metric values in %s were not sent: %s", path, error)
        else:
            with explained(path, 0):
                path.unlink(missing_ok=True)
