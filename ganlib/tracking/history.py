"""What MLflow keeps of earlier runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ganlib.config import CostsConfig
from ganlib.core.cost import Cost
from ganlib.core.record import Record
from ganlib.data.versioning.record import DataVersion
from ganlib.tracking import charts, costs
from ganlib.tracking.store import Absent, MlflowStore


class RunRecord(Record):
    """One run, as it was when it was read."""

    id: str
    status: str
    start: int
    """Unix time in milliseconds."""
    end: datetime | None
    params: dict[str, str]
    metrics: dict[str, float]
    """The last value of each, by its plain name, without the group of charts that it is in."""
    tags: dict[str, str]

    @property
    def family(self) -> str | None:
        """What was trained."""
        return self.tags.get("ganlib.family")


def read(store: MlflowStore, run_id: str) -> RunRecord:
    """Run ``run_id``.

    Raises:
        Absent: there is none.
    """
    return _past(store.run_record(run_id))


def newest(store: MlflowStore, family: str, most: int = 3) -> list[str]:
    """Ids of the newest finished runs of ``family`` in any experiment, newest first."""
    with store.translate_errors():
        newest_runs = store.client.search_runs(
            [experiment.experiment_id for experiment in store.client.search_experiments()],
            f"tags.`ganlib.family` = '{family}' and attributes.status = 'FINISHED'",
            max_results=most,
            order_by=["attributes.start_time DESC"],
        )
    return [str(run.info.run_id) for run in newest_runs]


def of_family(store: MlflowStore, experiment: str, family: str) -> Iterator[RunRecord]:
    """Yield all runs of ``family`` in ``experiment``, newest first; none if there is no such experiment."""
    with store.translate_errors():
        experiment_record = store.client.get_experiment_by_name(experiment)
    token = None
    while experiment_record is not None:
        with store.translate_errors():
            page = store.client.search_runs(
                [experiment_record.experiment_id],
                f"tags.`ganlib.family` = '{family}'",
                max_results=100,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
        yield from map(_past, page)
        token = page.token
        if not token:
            return


def cost_of(store: MlflowStore, run_id: str | None, prices: CostsConfig) -> Cost | None:
    """Return what a run cost, with what was done on it later; None if it is gone, or was never measured."""
    try:
        run = read(store, run_id) if run_id else None
    except Absent:
        return None
    return costs.of_run(run.metrics, run.tags, prices) if run else None


def every(store: MlflowStore) -> Iterator[RunRecord]:
    """Yield all runs of all experiments, those that were deleted as well, newest first."""
    from mlflow.entities import ViewType

    with store.translate_errors():
        experiments = store.client.search_experiments(view_type=ViewType.ALL, max_results=1000)
    token = None
    while True:
        with store.translate_errors():
            page = store.client.search_runs(
                [experiment.experiment_id for experiment in experiments],
                run_view_type=ViewType.ALL,
                max_results=1000,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
        yield from map(_past, page)
        token = page.token
        if not token:
            return


def has_graph(store: MlflowStore, run_id: str) -> bool:
    """Return whether the run has its exported graph among its artifacts."""
    with store.translate_errors():
        return any(file.path == "onnx/generator.onnx" for file in store.client.list_artifacts(run_id, "onnx"))


def text(store: MlflowStore, run_id: str, artifact: str) -> str | None:
    """Return the content of a text artifact; None if the run has none of that name."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return store.download(run_id, artifact, Path(folder)).read_text(encoding="utf-8")
        except Absent:
            return None


def data_version(store: MlflowStore, run_id: str) -> DataVersion | None:
    """Return the data version that a run recorded; None if it recorded none, or somebody has overwritten it."""
    try:
        return DataVersion.model_validate_json(text(store, run_id, "data_version.json") or "")
    except ValueError:
        return None


def last_step(store: MlflowStore, run_id: str, metric: str) -> int | None:
    """Return the step of the last value of ``metric``; None if the run has none."""
    return max(curve(store, run_id, metric), default=None)


def curve(store: MlflowStore, run_id: str, metric: str) -> dict[int, float]:
    """Values of ``metric`` by step, whatever group of charts it is in; of a step with several, the last."""
    with store.translate_errors():
        names = [name for name in store.client.get_run(run_id).data.metrics if metric in (name, charts.plain(name))]
        points = [point for name in names for point in store.client.get_metric_history(run_id, name)]
    return {point.step: point.value for point in points}


def training_curves(store: MlflowStore, run_id: str) -> dict[str, dict[int, float]]:
    """Return what a training told by step, by its plain names: losses and their terms, and the FIDs of its checks.

    A figure with one value is no curve, and left out.

    Raises:
        Absent: there is no such run.
    """
    metrics = store.run_record(run_id).data.metrics
    names = [name for name in metrics if name.startswith("loss/") or charts.plain(name) == "validation_fid"]
    curves = {charts.plain(name): _points(store, run_id, name) for name in sorted(names)}
    return {name: points for name, points in curves.items() if len(points) > 1}


def _points(store: MlflowStore, run_id: str, metric: str) -> dict[int, float]:
    with store.translate_errors():
        return {point.step: point.value for point in store.client.get_metric_history(run_id, metric)}


def _past(run: Any) -> RunRecord:
    end = run.info.end_time
    return RunRecord(
        id=run.info.run_id,
        status=run.info.status,
        start=run.info.start_time,
        end=datetime.fromtimestamp(end / 1000, UTC) if end else None,
        params=run.data.params,
        metrics={charts.plain(name): value for name, value in run.data.metrics.items()},
        tags=run.data.tags,
    )
