"""Ends runs whose process was killed: MLflow itself leaves them RUNNING for ever."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

import psutil

from ganlib.errors import GanlibError, Unavailable
from ganlib.progress import doing
from ganlib.project import Project
from ganlib.tracking.outbox import Point
from ganlib.tracking.run import HEARTBEAT_TAG, PROCESS_TAG, REASON_TAG, place, send, spool_file
from ganlib.tracking.store import Store, connect

_SILENT = 600
"""Seconds without a sign of life after which a process that cannot be seen from here is taken for dead."""


def open_store(project: Project) -> Store:
    """:func:`connect`, and end first what a killed process left running. Raises as both do."""
    store = connect(project)
    reap(store)
    return store


@doing("look for runs that were killed")
def reap(store: Store) -> list[str]:
    """End as KILLED all running runs of ours whose process is gone, and replay metrics that were spooled.

    A process of this host is looked up; one of another host or container is gone once its heartbeat has been
    silent for ten minutes.

    Returns:
        Ids of the runs that were ended.
    """
    ended = []
    with store.talking():
        experiments = [experiment.experiment_id for experiment in store.client.search_experiments()]
        for run in store.client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=1000):
            if reason := _gone(run.data.tags):
                store.client.set_tag(run.info.run_id, REASON_TAG, reason)
                store.client.set_terminated(run.info.run_id, "KILLED")
                ended.append(run.info.run_id)
    _replay(store)
    return ended


def _gone(tags: Mapping[str, str]) -> str | None:
    """Why a run's process is taken for dead; None if it lives, or the run is not ours."""
    try:
        process: dict[str, Any] = json.loads(tags[PROCESS_TAG])
        silent = time.time() - float(tags[HEARTBEAT_TAG])
        here = place()
        if any(process[key] != value for key, value in here.items()):
            return f"no sign of life from {process['host']} for {silent:.0f} s" if silent > _SILENT else None
        return None if _lives(process) else "its process was killed, or ended while MLflow was away"
    except (KeyError, ValueError, TypeError):
        return None


def _lives(process: Mapping[str, Any]) -> bool:
    try:
        # The boot time moves by a second when the clock is adjusted.
        same_boot = abs(psutil.boot_time() - process["boot"]) < 5
        found = psutil.Process(process["pid"])
        same = abs(found.create_time() - process["started"]) < 1
        return same_boot and same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _replay(store: Store) -> None:
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
            path.unlink(missing_ok=True)
