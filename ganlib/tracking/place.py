"""A project that was moved, copied or restored elsewhere: MLflow keeps absolute places of artifacts in its database.

The database remembers, as a tag of MLflow's default experiment, the folder that its places are of. Where that is not
the folder that it lies in, all places within the old one are rewritten, in one transaction. What lies elsewhere, such
as on S3, stays as it is.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

from ganlib.core import sqlite
from ganlib.core.project import Project

ROOT_TAG = "ganlib.root"
"""Of MLflow's default experiment: the project's folder, as a file URI."""
_DEFAULT = 0
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),
)


def update_places(path: Path, project: Project) -> None:
    """Have the project's own database at ``path`` name places in this folder; told in one line if any was changed.

    Databases elsewhere are shared with others, and are left alone. So is one that may not be written. The caller holds
    the project's lock for that.
    """
    if path.resolve() != (project.root / "mlflow.db").resolve():
        return
    here = project.root.as_uri()
    with sqlite.opened(path) as connection:
        old = _recorded(connection)
        if old == here:
            return
        old = old or _guessed(connection, project)
        if old is not None and _same(folder_of(old), project.root):
            return
        try:
            changes = _rewrite(connection, old, project)
        except sqlite3.OperationalError as error:
            if old:
                _say(f"this project was moved from {old} and MLflow's database cannot be told so: {error}")
            return
    if changes:
        _say(
            f"this project was moved or copied from {folder_of(str(old))}: {changes} places of artifacts in "
            f"{path.name} are now in this folder"
        )


def _recorded(connection: sqlite3.Connection) -> str | None:
    """The folder that the places are of, as a file URI; None if that was never written down."""
    row = connection.execute(
        "SELECT value FROM experiment_tags WHERE key = ? AND experiment_id = ?", (ROOT_TAG, _DEFAULT)
    ).fetchone()
    return str(row[0]) if row else None


def _guessed(connection: sqlite3.Connection, project: Project) -> str | None:
    """The folder of a database from before that was written down, if its artifacts are here, too; else None.

    A run's folder has a random name: one that is here under the name that the database has elsewhere was brought here.
    """
    for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
        for (place,) in connection.execute(f"SELECT {column} FROM {table}"):  # noqa: S608
            folder = folder_of(place or "")
            if folder is None or folder.is_relative_to(project.root) or "mlruns" not in folder.parts:
                continue
            root = Path(*folder.parts[: folder.parts.index("mlruns")])
            if (project.root / folder.relative_to(root)).is_dir():
                return root.as_uri()
    return None


def _rewrite(connection: sqlite3.Connection, old: str | None, project: Project) -> int:
    """Put the project's folder in place of ``old`` wherever a place begins with it, and write the former down."""
    changes = 0
    connection.execute("BEGIN IMMEDIATE")
    for was, now in _spellings(old, project.root) if old else ():
        changes += rename(connection, was, now)
    note_root(connection, project)
    connection.execute("COMMIT")
    return changes


def rename(connection: sqlite3.Connection, was: str, now: str) -> int:
    """Put the place ``now`` for ``was`` wherever a place is that or begins with it; how many of runs and models did."""
    changes = 0
    for table, column in _PLACES:
        if table not in sqlite.tables(connection):
            continue
        rows = connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column} || '/', 1, ?) = ?",  # noqa: S608
            (now, len(was) + 1, len(was) + 1, f"{was}/"),
        ).rowcount
        changes += rows if table != "experiments" else 0  # a project without runs has nothing that could be missed
    return changes


def note_root(connection: sqlite3.Connection, project: Project) -> None:
    """Write down that the places are of the folder of ``project``."""
    if connection.execute("SELECT 1 FROM experiments WHERE experiment_id = ?", (_DEFAULT,)).fetchone():
        row = (ROOT_TAG, project.root.as_uri(), _DEFAULT)
        connection.execute("INSERT OR REPLACE INTO experiment_tags VALUES (?, ?, ?)", row)


def _spellings(old: str, root: Path) -> Iterator[tuple[str, str]]:
    """How MLflow may have written the old folder, and the same of the new one."""
    folder = folder_of(old)
    yield old, root.as_uri()
    yield str(folder), str(root)
    if f"file://{folder}" != old:  # with a blank or a letter that a URI spells as %20
        yield f"file://{folder}", f"file://{root}"


def folder_of(uri: str) -> Path | None:
    """Return the folder of this machine that a place is; None if it is somewhere else, such as on S3."""
    parts = urlparse(uri)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") and parts.path.startswith("/") else None


def _same(folder: Path | None, root: Path) -> bool:
    """Whether that is this folder by another name: a link, or a container's mount."""
    try:
        return folder is not None and folder.samefile(root)
    except OSError:
        return False


def _say(line: str) -> None:
    logging.getLogger("ganlib").warning("%s", line)
