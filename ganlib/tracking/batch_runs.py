"""The calls that made images of registered versions, each as a run in MLflow: who made how many, and what they cost."""

from __future__ import annotations

import json
from datetime import datetime

from ganlib.config import CostsConfig
from ganlib.core import processes
from ganlib.core.cost import Cost
from ganlib.core.record import Record
from ganlib.core.redact import redacted
from ganlib.tracking import costs
from ganlib.tracking.login import login
from ganlib.tracking.runs import PROCESS_TAG
from ganlib.tracking.store import MlflowStore

BATCH_TAG = "ganlib.batch"
"""Of such a run: where the images are."""
MODEL_TAG, VERSION_TAG, FAMILY_TAG = "ganlib.batch_model", "ganlib.batch_version", "ganlib.batch_family"
IMAGES, DRIFTS = "images", "drifts"
"""Metrics: how many were made by this call; 1 if the judge says that they drift, 0 if not, none if it was not asked."""


class BatchCall(Record):
    """One call of `ganlib generate`, or one run of the flow, that ended in order."""

    place: str
    model: str
    version: int
    family: str | None
    digest: str | None
    images: int
    drifts: bool | None
    cost: Cost
    start: datetime


def experiment_of(model: str) -> str:
    """Return the name of the experiment that has the batches of the registered model ``model``."""
    return f"{model} batches"


def record(store: MlflowStore, call: BatchCall, prices: CostsConfig) -> str:
    """Write ``call`` down as a finished run, and return the run's id.

    Raises:
        Unavailable: MLflow does not answer.
        ReadOnly: the database may only be read.
    """
    from mlflow.entities import Metric

    store.require_writable()
    name = f"{call.images:,} images of version {call.version}"
    tags = {
        "mlflow.user": login(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": "ganlib",
        BATCH_TAG: redacted(call.place),
        MODEL_TAG: call.model,
        VERSION_TAG: str(call.version),
        FAMILY_TAG: call.family or "unknown",
        "ganlib.digest": call.digest or "unknown",
        PROCESS_TAG: json.dumps(processes.identity()._asdict()),
        **costs.currency_tag(prices),
    }
    start = round(call.start.timestamp() * 1000)
    end = start + round(call.cost.wall_seconds * 1000)
    figures = {IMAGES: float(call.images), **costs.values(call.cost)}
    if call.drifts is not None:
        figures[DRIFTS] = float(call.drifts)
    experiment = store.named_experiment(experiment_of(call.model))
    with store.translate_errors():
        run_id = str(store.client.create_run(experiment, start_time=start, tags=tags, run_name=name).info.run_id)
        store.client.log_batch(run_id, metrics=[Metric(key, value, end, 0) for key, value in figures.items()])
        store.client.set_terminated(run_id, "FINISHED", end_time=end)
    return run_id
