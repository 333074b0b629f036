"""Artifacts that a database names outside of the project's folder, such as on S3: brought along, and named anew."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ganlib.core import sqlite
from ganlib.tracking import place
from ganlib.tracking.store import MlflowStore

DESTINATION = "MLFLOW_ARTIFACTS_DESTINATION"
"""MLflow's own variable: where its server keeps what clients know as ``mlflow-artifacts:``."""
_PLACES = (("runs", "artifact_uri"), ("logged_models", "artifact_location"))


class _Root(NamedTuple):
    """Where an experiment has its artifacts, and where a backup has them, from the project's folder."""

    uri: str
    folder: str


def bring(store: MlflowStore, snapshot: Path, aside: Path) -> Iterator[tuple[str, Path]]:
    """Download the artifacts of ``snapshot`` that lie elsewhere, and have it name them within the project's folder.

    Args:
        store: reaches them.
        snapshot: a copy of its database, which is changed at the end.
        aside: an empty folder for one run's or one model's files at a time, which are gone when the next are fetched.

    Yields:
        Each file's place from the project's folder, and where it is now.

    Raises:
        Unavailable: the artifact store does not answer.
        GanlibError: it refuses, or can be reached through MLflow's server only.
    """
    with sqlite.opened(snapshot, write=True) as connection:
        roots = list(_roots(connection, store))
        for root in roots:
            for uri in _below(connection, root):
                folder = Path(f"{root.folder}{uri.removeprefix(root.uri)}")
                for path in _fetch(store, uri, aside):
                    yield (folder / path.relative_to(aside)).as_posix(), path
        connection.execute("BEGIN IMMEDIATE")
        for root in roots:
            place.rename(connection, root.uri, f"{store.project.root.as_uri()}/{root.folder}")
        connection.execute("COMMIT")


def _roots(connection: sqlite3.Connection, store: MlflowStore) -> Iterator[_Root]:
    for number, uri in connection.execute("SELECT experiment_id, artifact_location FROM experiments").fetchall():
        folder = place.folder_of(uri or "")
        if uri and (folder is None or not folder.is_relative_to(store.project.root)):
            yield _Root(uri.rstrip("/"), f"mlruns/{number}")


def _fetch(store: MlflowStore, uri: str, aside: Path) -> list[Path]:
    """Copy all files under ``uri`` into ``aside``, in place of what is there."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    with store.translate_errors():
        repository = get_artifact_repository(_reachable(uri), store.uri)
        if repository.list_artifacts():
            repository.download_artifacts("", str(aside))
    return [path for path in aside.rglob("*") if path.is_file()]


def _reachable(uri: str) -> str:
    """``uri`` without MLflow's server in between, if :data:`DESTINATION` says where that has it."""
    parts, destination = urlsplit(uri), os.environ.get(DESTINATION)
    return f"{destination.rstrip('/')}{parts.path}" if destination and parts.scheme == "mlflow-artifacts" else uri


def _below(connection: sqlite3.Connection, root: _Root) -> list[str]:
    return [
        uri
        for table, column in _PLACES
        for (uri,) in connection.execute(f"SELECT {column} FROM {table}").fetchall()  # noqa: S608
        if uri and uri.startswith(f"{root.uri}/")
    ]
