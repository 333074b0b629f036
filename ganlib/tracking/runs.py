"""The life of one MLflow run: what it records at its start, while it goes on, and how it ends."""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import psutil

from ganlib.config import CostsConfig
from ganlib.core import log_ids, processes
from ganlib.core.cost import Cost
from ganlib.core.errors import BadInput, GanlibError, Interrupted
from ganlib.core.project import SourceRevision
from ganlib.core.redact import redacted
from ganlib.tracking import costs
from ganlib.tracking.dataset_input import log_data_version
from ganlib.tracking.login import login
from ganlib.tracking.outbox import Outbox, Point
from ganlib.tracking.store import MlflowStore

if TYPE_CHECKING:
    from ganlib.data.versioning.record import DataVersion
    from ganlib.tracking.system import SystemMonitor

PROCESS_TAG = "ganlib.process"
HEARTBEAT_TAG = "ganlib.heartbeat"
"""Unix time, renewed every half minute while the run's process lives and MLflow answers."""
REASON_TAG = "ganlib.reason"
UNHEALTHY_TAG = "ganlib.unhealthy"
"""What broke in a training, in words."""
INIT_TAG = "ganlib.init"
"""The model whose weights a training began from, and that model's run."""
FLOW_RUN_TAG = "ganlib.flow_run_id"
"""Of Prefect's flow run that the run is part of."""
TEACHER_TAG = "ganlib.teacher"
"""The model whose images a student learns from, and its graph's sha256."""
IMPORT_TAG = "ganlib.imported_from"
"""What a run's graph was imported from, and its sha256: it was trained elsewhere."""
CAUSE_TAG = "cause"
"""Why the retraining was begun that a run is part of: one or several names."""
CAUSE_VARIABLE = "GANLIB_CAUSE"
"""Of the environment: that tag, for all runs that are started below."""
_PACKAGES = ("ganlib", "torch", "numpy", "mlflow", "onnx", "onnxruntime", "dvc", "prefect")


class Run(AbstractContextManager["Run"]):
    """A run to write to. As a context manager it ends FINISHED, FAILED with a reason, or KILLED where it was stopped.

    With an outbox, writes happen in the background and wait while the store is away; without one, at once.
    """

    def __init__(
        self, store: MlflowStore, run_id: str, outbox: Outbox | None = None, meter: costs.RunMeter | None = None
    ) -> None:
        """Use :func:`start` or :func:`open_run`."""
        self.id = run_id
        self._store, self._outbox, self._meter = store, outbox, meter
        self._monitor: SystemMonitor | None = None

    def watch_system(self, *, resumed: bool) -> None:
        """Log processor, memory, disk, network and GPU every few seconds until the run ends."""
        from ganlib.tracking.system import SystemMonitor

        self._monitor = SystemMonitor(self.id, self._store.uri, self.log, resumed=resumed)
        self._monitor.start()

    def hold_gpus(self, count: int, uuids: Sequence[str] = ()) -> None:
        """Count ``count`` GPUs as held by the run from now on; ``uuids`` are those whose energy this process asks for.

        Only of a run that :func:`start` gave.
        """
        if self._meter:
            self._meter.meter.hold_gpus(count, uuids)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Metric values at ``step``."""
        now = round(time.time() * 1000)
        points = [Point(name, float(value), now, step) for name, value in values.items()]
        if self._outbox:
            self._outbox.points(points)
        else:
            send(self._store, self.id, points)

    def tag(self, key: str, value: str) -> None:
        """Set a tag."""
        self._write(lambda: self._store.client.set_tag(self.id, key, redacted(value)))

    def artifact(self, path: Path, folder: str = "") -> None:
        """Store the file at ``path``, as it is when the write happens, under ``folder``."""
        self._write(lambda: self._store.client.log_artifact(self.id, str(path), folder or None))

    def text(self, text: str, name: str) -> None:
        """Store ``text`` as artifact ``name``."""
        self._write(lambda: self._store.client.log_text(self.id, text, name))

    def image(self, png: bytes, name: str) -> None:
        """Store a PNG as artifact ``name``."""

        def write() -> None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / Path(name).name
                path.write_bytes(png)
                parent = str(Path(name).parent)
                self._store.client.log_artifact(self.id, str(path), None if parent == "." else parent)

        self._write(write)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run; what goes wrong with that does not hide the error that ended it.

        One that lacks something, as MLflow refused it, is FAILED: it can be resumed.

        Raises:
            Unavailable: MLflow is away. What was kept and where is told.
            Refused: MLflow takes this login no more. The same is told.
            GanlibError: MLflow refused something that was written in the background.
        """
        if self._monitor:
            self._monitor.finish()
        stopped = isinstance(error, KeyboardInterrupt | Interrupted)
        status = "FINISHED" if error is None else "KILLED" if stopped else "FAILED"
        if error is not None:
            self.tag(REASON_TAG, f"{type(error).__name__}: {error}"[:5000])
        if self._meter:
            self._meter.meter.close()
            self.log(self._meter.values(), step=0)
        self._write(lambda: self._terminate(status))
        try:
            trouble = self._outbox.close(haste=error is not None) if self._outbox else None
            if trouble:
                raise type(trouble)(f"{trouble} Once that is mended, train again with --resume {self.id}")
        except GanlibError as late:
            if error is None:
                raise
            logging.getLogger("ganlib").warning("run %s: %s", self.id, late)

    def _terminate(self, status: str) -> None:
        """Give the run its last status, when all that was written before it has been tried."""
        problem = self._outbox.problem if self._outbox else None
        if problem and status == "FINISHED":
            status = "FAILED"
            self._store.client.set_tag(self.id, REASON_TAG, redacted(f"could not be recorded: {problem}")[:5000])
        self._store.client.set_terminated(self.id, status)

    def _write(self, write: Callable[[], None]) -> None:
        def talk() -> None:
            with self._store.translate_errors():
                write()

        if self._outbox:
            self._outbox.write(talk)
        else:
            talk()


class NullRun(Run):
    """Of a process whose leader does the writing: takes everything and keeps nothing."""

    def __init__(self) -> None:
        """There is no run behind it."""
        self.id, self._outbox, self._monitor, self._meter = "", None, None, None

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Nothing."""

    def _write(self, write: Callable[[], None]) -> None:
        pass


def start(
    store: MlflowStore,
    name: str,
    *,
    family: str,
    params: Mapping[str, object],
    tags: Mapping[str, str],
    data: DataVersion,
    source: SourceRevision,
    experiment: str,
    prices: CostsConfig | None = None,
    resume: str | None = None,
) -> Run:
    """Start a run, or go on with run ``resume``: a context manager. What it costs is measured, by ``prices``."""
    prices = prices or CostsConfig()
    own_tags = {**_lineage(family, data, source), **costs.currency_tag(prices), **tags}
    all_tags = {key: redacted(value) for key, value in own_tags.items()}
    earlier = _cost(store, resume, prices) if resume else None
    meter = costs.RunMeter(prices, earlier)
    with store.translate_errors():
        if resume is None:
            experiment_id = store.experiment(experiment)
            run_id = store.client.create_run(experiment_id, tags=all_tags, run_name=name).info.run_id
            try:
                # Two of the same kind are told apart, also where the page cuts a name.
                store.client.update_run(run_id, name=f"{name} {run_id[:8]} data {data.md5[:6]}")
                _record(store, run_id, params, data)
            except Exception as error:
                store.client.set_tag(run_id, REASON_TAG, redacted(f"could not be recorded: {error}")[:5000])
                store.client.set_terminated(run_id, "FAILED")
                raise
        else:
            run_id = _reopen(store, resume, all_tags)
    outbox = Outbox(
        lambda points: send(store, run_id, points), spool_file(store, run_id), beat=lambda: _beat(store, run_id, meter)
    )
    log_ids.note(run_id=run_id)
    run = Run(store, run_id, outbox, meter)
    run.watch_system(resumed=resume is not None)
    return run


def open_run(store: MlflowStore, run_id: str) -> Run:
    """Return a run that has ended, to add to; every write goes through at once.

    Raises:
        Absent: there is no such run.
        ReadOnly: the database may only be read.
    """
    store.require_writable()
    store.run_record(run_id)
    return Run(store, run_id)


def charge(store: MlflowStore, run_id: str, cost: Cost, prices: CostsConfig) -> None:
    """Add ``cost`` to what run ``run_id`` has cost: of work that was done on it after its end, such as its evaluation.

    A run from before costs were measured is left without: part of its cost would be taken for all.
    """
    if earlier := _cost(store, run_id, prices):
        open_run(store, run_id).log(costs.values(earlier + prices.settle(cost)), step=0)
        with store.translate_errors():
            for key, value in costs.currency_tag(prices).items():
                store.client.set_tag(run_id, key, value)


def send(store: MlflowStore, run_id: str, points: list[Point]) -> None:
    """Write metric values in one call."""
    from mlflow.entities import Metric

    with store.translate_errors():
        store.client.log_batch(run_id, metrics=[Metric(*point) for point in points])


def spool_file(store: MlflowStore, run_id: str) -> Path:
    """Return where metric values of a run wait if the store is away when the run ends."""
    return store.project.state / "spool" / f"{run_id}.jsonl"


def _lineage(family: str, data: DataVersion, source: SourceRevision) -> dict[str, str]:
    tags = {
        "mlflow.user": login(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": "ganlib",
        "ganlib.family": family,
        "ganlib.data_version": data.md5,
        "ganlib.data_commit": data.commit or "none",
        "ganlib.source_dirty": str(source.dirty).lower(),
        PROCESS_TAG: json.dumps(processes.identity()._asdict()),
        HEARTBEAT_TAG: str(int(time.time())),
    }
    if source.commit:
        tags["mlflow.source.git.commit"] = source.commit
    if flow_run := log_ids.current().get("flow_run_id"):
        tags[FLOW_RUN_TAG] = flow_run
    if parent := os.environ.get("MLFLOW_RUN_ID"):
        tags["mlflow.parentRunId"] = parent
    if cause := os.environ.get(CAUSE_VARIABLE):
        tags[CAUSE_TAG] = cause
    return tags


def _beat(store: MlflowStore, run_id: str, meter: costs.RunMeter) -> None:
    """Say that the run's process lives, and what it has cost so far, which is all that a kill would leave."""
    now = round(time.time() * 1000)
    with store.translate_errors():
        store.client.set_tag(run_id, HEARTBEAT_TAG, str(now // 1000))
    send(store, run_id, [Point(name, value, now, 0) for name, value in meter.values().items()])


def _cost(store: MlflowStore, run_id: str, prices: CostsConfig) -> Cost | None:
    data = store.run_record(run_id).data
    return costs.of_run(data.metrics, data.tags, prices)


def _record(store: MlflowStore, run_id: str, params: Mapping[str, object], data: DataVersion) -> None:
    """Parameters, the data version as the run's dataset input, and the environment."""
    from mlflow.entities import Param

    pairs = [Param(key, str(value)) for key, value in params.items()]
    for start in range(0, len(pairs), 100):
        store.client.log_batch(run_id, params=pairs[start : start + 100])
    log_data_version(store, run_id, data)
    store.client.log_dict(run_id, data.model_dump(mode="json"), "data_version.json")
    store.client.log_dict(run_id, _environment(), "environment.json")


def _environment() -> dict[str, Any]:
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(),
        "usable_cores": processes.usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "packages": versions,
        "threads": {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")},
    }


def _reopen(store: MlflowStore, run_id: str, tags: Mapping[str, str]) -> str:
    run = store.run_record(run_id)
    if run.info.status == "FINISHED":
        raise BadInput(f"run {run_id} is finished: there is nothing to resume.")
    if run.info.status == "RUNNING":
        raise BadInput(f"run {run_id} is still running in another process.")
    if (family := run.data.tags.get("ganlib.family")) != tags["ganlib.family"]:
        raise BadInput(f"run {run_id} is of the family {family}, not {tags['ganlib.family']}: nothing was changed.")
    for key, value in tags.items():
        store.client.set_tag(run_id, key, value)
    for key in (REASON_TAG, UNHEALTHY_TAG):
        if key in run.data.tags:
            store.client.delete_tag(run_id, key)
    # Last: a run that says RUNNING and names a dead process would be reaped.
    store.client.update_run(run_id, status="RUNNING")
    return run_id
