"""Whether a version's file still answers, before MLflow's gc takes it for good: deletions there are marks at first.

MLflow lets anybody delete the logged model that a version stands for, or its experiment. The version stays READY with
its alias, its file is there and can be loaded, and the next `mlflow gc` removes it.
"""

from __future__ import annotations

from typing import Literal

from ganlib.core.record import Record
from ganlib.registry.logged_models import MODELS, location
from ganlib.registry.registry import Registry
from ganlib.tracking.store import MlflowStore

_KEEP = "until then keep `mlflow gc` from running"


class FileRisk(Record):
    """What is wrong with the file of a version that people use."""

    model: str
    version: int
    kind: Literal["gone", "model", "experiment"]
    """``gone`` for good; or the ``model`` or its ``experiment`` is in MLflow's trash, and the file still there."""
    subject: str
    """What was deleted, or where the file was."""
    database: str | None = None
    """Whose tables say so, where MLflow has no call that takes it back; None: they cannot be reached from here."""

    def __str__(self) -> str:
        """Return what it is and what cures it, in one line."""
        return f"{self.words}: {self.cure}"

    @property
    def words(self) -> str:
        """What it is."""
        what = f"version {self.version} of {self.model}"
        if self.kind == "gone":
            return f"{what} has no file any more at {self.subject}"
        if self.kind == "experiment":
            return (
                f"the experiment of {what} ({self.subject}) was deleted, and the next `mlflow gc` takes its evidence "
                "and file"
            )
        return f"the logged model of {what} ({self.subject}) was deleted, and the next `mlflow gc` takes its file"

    @property
    def cure(self) -> str:
        """What helps."""
        if self.kind == "gone":
            return "ganlib rollback, or restore it from a backup (docs/recovery.md)"
        if self.kind == "model" and self.database is None:
            return f"whoever has its database can restore it (docs/recovery.md); {_KEEP}"
        return f"ganlib doctor --fix restores it; {_KEEP}"


def file_risk(registry: Registry, number: int) -> FileRisk | None:
    """Return what is wrong with the file of version ``number``; None: it answers. Reads only.

    A version that is no logged model, because a person registered it so, is not looked at.

    Raises:
        Unavailable: MLflow or its artifact store does not answer.
    """
    store, source = registry.store, registry.model_of(number)
    if not source.startswith(MODELS):
        return None
    with store.translate_errors():
        place = str(store.client.get_model_version_download_uri(registry.name, str(number)))
    model_id = source.removeprefix(MODELS)

    def risk(kind: Literal["gone", "model", "experiment"], subject: str) -> FileRisk:
        database = store.database_uri if kind == "model" else None
        return FileRisk(model=registry.name, version=number, kind=kind, subject=subject, database=database)

    if not place.startswith(MODELS) and not store.artifact_bytes(place):
        return risk("gone", place)
    if location(store, source) is None:
        return risk("model", model_id)
    with store.translate_errors():
        experiment = store.client.get_experiment(store.client.get_logged_model(model_id).experiment_id)
    return risk("experiment", experiment.name) if experiment.lifecycle_stage != "active" else None


def recover(store: MlflowStore, risk: FileRisk) -> bool:
    """Take what ``risk`` is about out of MLflow's trash; whether that could be done.

    Raises:
        Unavailable: MLflow does not answer.
    """
    if risk.kind == "experiment":
        with store.translate_errors():
            experiment = store.client.get_experiment_by_name(risk.subject)
            store.client.restore_experiment(experiment.experiment_id)
        return True
    if risk.kind == "gone" or risk.database is None:
        return False
    from mlflow.store.tracking.dbmodels.models import SqlLoggedModel
    from sqlalchemy import create_engine, update

    engine = create_engine(risk.database)
    table = SqlLoggedModel.__table__
    with store.translate_errors(), engine.begin() as connection:  # MLflow has no call for it
        done = connection.execute(
            update(table).where(table.c.model_id == risk.subject).values(lifecycle_stage="active")
        ).rowcount
    engine.dispose()
    return bool(done)
