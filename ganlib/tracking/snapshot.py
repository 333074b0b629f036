"""A copy of MLflow's database: of one moment, whoever writes meanwhile, as SQLite, and without MLflow's own secrets."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from ganlib import config
from ganlib.core import sqlite
from ganlib.core.errors import BadInput
from ganlib.core.locks import hold
from ganlib.core.project import Project
from ganlib.tracking import database, place
from ganlib.tracking.store import MlflowStore, connect

_SECRETS = ("secrets", "webhooks")
"""Tables with keys that MLflow keeps for its gateway, and URLs of its webhooks, which may hold some."""


class ModelFile(NamedTuple):
    """The graph of one version."""

    model: str
    version: int
    sha256: str
    path: str | None
    """From the project's folder; None: it is no file of the project, or MLflow has lost the logged model."""


def take(project: Project, target: Path) -> MlflowStore:
    """Copy the database that the project's commands use to ``target``, which is not there; return what it is of.

    Raises:
        BadInput: it is behind a server that is not the project's own, or cannot be used.
        Unavailable: it does not answer.
    """
    store = connect(project)
    uri = store.database_uri
    if uri is None:
        raise BadInput(
            f"MLflow at {store.display_uri} is a server, and gives nobody its database. Where that can be reached: "
            "MLFLOW_TRACKING_URI=postgresql://... ganlib backup FOLDER. Nothing was written."
        )
    path = database.path_of(uri)
    with store.translate_errors():
        if path is None:
            _copy_rows(store, target)
        else:
            with sqlite.opened(path) as source, closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
    _finish(target, project)
    return store


def _copy_rows(store: MlflowStore, target: Path) -> None:
    """Copy all rows of a database of any kind, as they are at one moment, into SQLite: MLflow has the same tables."""
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.tracking.dbmodels import models  # noqa: F401  (fills the list of tables)
    from sqlalchemy import create_engine, insert, select

    database.prepare(target, store.project)
    tables = Base.metadata.sorted_tables
    theirs, ours = create_engine(store.uri), create_engine(f"sqlite:///{target}")
    with (
        closing(theirs.connect().execution_options(isolation_level="REPEATABLE READ", stream_results=True)) as source,
        ours.begin() as copy,
    ):
        for table in reversed(tables):
            copy.execute(table.delete())  # the default experiment of an empty MLflow
        for table in tables:
            for rows in source.execute(select(table)).mappings().partitions(1000):
                copy.execute(insert(table), [dict(row) for row in rows])
    theirs.dispose()
    ours.dispose()


def _finish(target: Path, project: Project) -> None:
    """Take the secrets out, with what deleted rows have left in the file, and note whose places it has."""
    with sqlite.opened(target, write=True) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for table in sqlite.tables(connection).intersection(_SECRETS):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
        place.note_root(connection, project)
        connection.execute("VACUUM")


def model_files(target: Path, project: Project) -> Iterator[ModelFile]:
    """Yield the graph of each version of ours in the database ``target``, wherever its places say that it is."""
    query = """
        SELECT v.name, v.version, t.value, m.artifact_location
        FROM model_versions v
        JOIN model_version_tags t ON t.name = v.name AND t.version = v.version AND t.key = 'sha256'
        LEFT JOIN logged_models m ON v.source = 'models:/' || m.model_id
        WHERE v.current_stage != 'Deleted_Internal'
        ORDER BY v.name, v.version
    """
    with sqlite.opened(target) as connection:
        rows = connection.execute(query).fetchall()
    for name, version, sha256, location in rows:
        yield ModelFile(name, int(version), sha256, _relative(location, project))


def _relative(location: str | None, project: Project) -> str | None:
    folder = place.folder_of(location or "")
    inside = folder is not None and folder.is_relative_to(project.root)
    return (folder / "model.onnx").relative_to(project.root).as_posix() if folder and inside else None


def content(project: Project) -> int:
    """Return how many runs and registered models are in the project's own database; 0 where there is none.

    Raises:
        BadInput: it is no database.
    """
    path = database.path_of(project.database)
    schema = database.look(path) if path else None
    return schema.content if schema else 0


def install(snapshot: Path, project: Project) -> None:
    """Make ``snapshot`` the project's database, in one transaction, and have it name places in the project's folder.

    Raises:
        BadInput: somebody has begun a registry meanwhile. Nothing was changed.
    """
    with hold(project.state / "mlflow.lock", what="process that prepares MLflow's database", patience=180):
        require_none(project)
        path = project.root / "mlflow.db"
        with sqlite.opened(snapshot) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
    connect(project, project.database)


def require_none(project: Project) -> None:
    """Raise :class:`BadInput` if the project has a registry, or its commands use another than its own database."""
    settings = config.servers(project)
    others = {
        "MLFLOW_TRACKING_URI": os.environ.get("MLFLOW_TRACKING_URI"),
        "services.mlflow": settings.mlflow,
        "services.database": settings.database,
    }
    for name in (name for name, value in others.items() if value):
        cure = "unset it" if name.isupper() else f"export GANLIB_{name.replace('.', '_').upper()}=null"
        raise BadInput(
            f"{name} is set, and a backup is restored into the project's own mlflow.db: {cure}, then run the same "
            "command again. Nothing was changed."
        )
    if number := content(project):
        raise BadInput(
            f"{project.root} has a registry already ({number:,} runs and models in mlflow.db): restore into a fresh "
            "clone. Nothing was changed."
        )
