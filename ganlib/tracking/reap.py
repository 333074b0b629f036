"""Ends runs whose process was killed: MLflow itself leaves them RUNNING for ever."""

from __future__ import annotations

import json
import socket
from typing import Any

import psutil

from ganlib.tracking.outbox import Point
from ganlib.tracking.run import PROCESS_TAG, REASON_TAG, send, spool_file
from ganlib.tracking.store import Store


def reap(store: Store) -> list[str]:
    """End as KILLED all running runs of this host whose process is gone, and replay metrics that were spooled.

    Runs of other hosts are left alone: their processes cannot be seen from here.

    Returns:
        Ids of the runs that were ended.
    """
    ended = []
    with store.talking():
        experiments = [experiment.experiment_id for experiment in store.client.search_experiments()]
        for run in store.client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=1000):
            tag = run.data.tags.get(PROCESS_TAG)
            if tag and _gone(json.loads(tag)):
                store.client.set_tag(run.info.run_id, REASON_TAG, "its process was killed or died")
                store.client.set_terminated(run.info.run_id, "KILLED")
                ended.append(run.info.run_id)
    _replay(store)
    return ended


def _gone(process: dict[str, Any]) -> bool:
    if process.get("host") != socket.gethostname():
        return False
    try:
        # The boot time moves by a second when the clock is adjusted.
        same_boot = abs(psutil.boot_time() - process["boot"]) < 5
        found = psutil.Process(process["pid"])
        return (
            not same_boot or abs(found.create_time() - process["started"]) > 1 or found.status() == psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return True


def _replay(store: Store) -> None:
    """Send metric values that outlived their run on disk; a file is removed once MLflow has all of it."""
    for path in sorted((store.project.state / "spool").glob("*.jsonl")):
        points = [Point(*json.loads(line)) for line in path.read_text().splitlines()]
        if path == spool_file(store, path.stem):
            for start in range(0, len(points), 1000):
                send(store, path.stem, points[start : start + 1000])
            path.unlink()
