"""A project's registry that is put back to what it was, for the next look at the same thing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ganlib.core.project import Project
from ganlib.tracking.store import connect


class Again:
    """A project with a database of MLflow's, as it is when this is made.

    The database stays the same file throughout: MLflow has its connections and SQLAlchemy its statements ready for it,
    which for another file costs a tenth of a second and more. Artifacts stay as they are.
    """

    def __init__(self, project: Project) -> None:
        """Nobody is at work on it."""
        connect(project)  # has it name places in its own folder from here on
        self._project, self._original = project, project.root.with_name(f"{project.root.name}-original.db")
        _copy(self._database, self._original)

    @property
    def _database(self) -> Path:
        return self._project.root / "mlflow.db"

    def anew(self) -> Project:
        """Put it back."""
        _copy(self._original, self._database)
        return self._project


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as ours, closing(sqlite3.connect(target)) as theirs:
        ours.backup(theirs)
