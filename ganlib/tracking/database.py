"""MLflow's SQLite database of a project: it appears whole, and what is wrong with one is told.

MLflow makes its tables step by step in the file itself, and cannot go on with one that a kill has left half-made. Two
processes at it fail as well. So a new one is made under another name and copied in one transaction; and one that
another program, such as `mlflow ui`, is just making is waited for.
"""

from __future__ import annotations

import sqlite3
import time
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from ganlib.core import sqlite
from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.files import as_user_error
from ganlib.core.project import Project
from ganlib.core.record import Record

_PATIENCE = 180.0  # seconds for another program to make its tables
QUIET = 5.0  # seconds without a change after which nobody is at work, if nobody has the file open
_SCHEME = "sqlite:///"


class Schema(Record):
    """What tables a database has."""

    tables: frozenset[str]
    revision: str | None
    """The last step of MLflow's migrations that was done."""
    content: int
    """Runs and registered models."""


def require_answer(uri: str) -> None:
    """Connect once, if ``uri`` is that of a PostgreSQL: MLflow would try a wrong password again for two minutes.

    Raises:
        SQLAlchemyError: it does not answer or refuses; :func:`ganlib.tracking.failures.translate` knows the words.
    """
    if uri.startswith("postgresql"):
        import sqlalchemy

        engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
        engine.connect().close()


def path_of(uri: str) -> Path | None:
    """Return the file of an SQLite URI; None if it is of another kind, or in memory."""
    name = uri.removeprefix(_SCHEME).partition("?")[0]
    return Path(name).absolute() if uri.startswith(_SCHEME) and name and name != ":memory:" else None


def prepare(path: Path, project: Project) -> None:
    """Bring the database at ``path`` into being if there is none, or wait until who is at that has done it.

    The caller holds the project's lock for that.

    Raises:
        BadInput: what is there is no database, was left half-made, or is another MLflow's. It was not changed.
        Unavailable: another program does not end with it.
    """
    deadline = time.monotonic() + _PATIENCE
    latest, since = None, time.monotonic()
    while True:
        schema = look(path)
        if schema is not None and _whole(schema):
            return
        if schema is None or not schema.tables:
            _build(path, project)
            continue
        if schema != latest:
            latest, since = schema, time.monotonic()
        elif time.monotonic() - since > QUIET and not _in_use(path):
            raise BadInput(_trouble(path, schema))
        if time.monotonic() > deadline:
            raise Unavailable(f"another program has been making the tables of {path} for over {_PATIENCE:.0f} s.")
        time.sleep(0.2)


def look(path: Path) -> Schema | None:
    """Return what is in the file; None if there is none.

    Raises:
        BadInput: it is no database.
        Unavailable: another program keeps it locked.
    """
    if not path.exists():
        return None
    try:
        with sqlite.opened(path) as connection:
            connection.execute("BEGIN")  # who is making tables meanwhile does not come between two looks
            tables = sqlite.tables(connection)

            def first(query: str, table: str) -> Any:
                return (connection.execute(query + table).fetchone() or [None])[0] if table in tables else None

            content = [first("SELECT count(*) FROM ", table) or 0 for table in ("runs", "registered_models")]
            revision = first("SELECT version_num FROM ", "alembic_version")
            return Schema(tables=frozenset(tables), revision=revision, content=sum(content))
    except sqlite3.DatabaseError as error:
        raise _unusable(path, error) from error


def require_current(path: Path, what: str) -> None:
    """Raise :class:`BadInput` unless the database at ``path``, which nobody is at work on, is of this MLflow."""
    schema = look(path)
    if schema is None or not _whole(schema):
        step = schema.revision if schema else None
        raise BadInput(f"{what} is of another MLflow (its tables are at step {step or 'none'}, not {_head()})")


def _unusable(path: Path, error: sqlite3.DatabaseError) -> Exception:
    if (explanation := as_user_error(error, path.parent)) is not None:
        return explanation
    if "locked" in str(error):
        return Unavailable(f"another program keeps {path} locked ({error}). Nothing was changed; try again.")
    return BadInput(
        f"{path} cannot be used as MLflow's database: {error}. Nothing was changed. Restore it from a copy, or move it "
        "away and run the same command again, which makes a new one."
    )


def _whole(schema: Schema) -> bool:
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.tracking.dbmodels import models  # noqa: F401  (fills the list of tables)

    return schema.tables.issuperset(Base.metadata.tables) and schema.revision == _head()


@cache
def _head() -> str:
    """The last step of this MLflow's migrations, for which it reads 70 files: every connection asks for it."""
    from mlflow.store.db.utils import _get_latest_schema_revision

    return str(_get_latest_schema_revision())


def _build(path: Path, project: Project) -> None:
    """Make a new database aside, and copy it to ``path`` unless another program was faster.

    MLflow's own way to one has its default experiment keep files in the working folder.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def build(new: Path) -> None:
        uri = f"{_SCHEME}{new}"
        try:
            SqlAlchemyStore(uri, project.artifacts)
        finally:  # MLflow keeps it open for ever
            if engine := SqlAlchemyStore._engine_map.pop(uri, None):  # noqa: SLF001  (MLflow keeps an engine for ever and offers no way to let it go)
                engine.dispose()

    try:
        sqlite.make(path, project.state / "mlflow-new", build)
    except sqlite3.DatabaseError as error:
        raise _unusable(path, error) from error


def _in_use(path: Path) -> bool:
    """Whether a process that can be seen from here has the file open."""
    here = str(path.resolve())
    for process in psutil.process_iter():
        try:
            if any(entry.path == here for entry in process.open_files()):
                return True
        except (psutil.Error, OSError):
            continue
    return False


def _trouble(path: Path, schema: Schema) -> str:
    """Why a database that nobody is at work on cannot be used, and what helps."""
    head = _head()
    state = f"its tables are at step {schema.revision or 'none'}, this MLflow needs {head}"
    if schema.revision is not None and not knows(schema.revision):
        return f"{path} was made by a newer MLflow ({state}). Nothing was changed. {NEWER}"
    if not schema.content:
        return (
            f"{path} was left half-made by a program that was killed while it prepared it ({state}). It holds no runs "
            f"and no models: delete it (rm '{path}') and run the same command again."
        )
    return (
        f"{path} has the tables of an older MLflow, or of an upgrade that was cut off ({state}). Nothing was changed. "
        + OLDER.format(uri=f"{_SCHEME}{path}")
    )


NEWER = "Install that MLflow, or use another store (MLFLOW_TRACKING_URI)."
OLDER = "Make a copy of it, then: mlflow db upgrade {uri}; if that fails, go back to a copy from before."


def knows(revision: str) -> bool:
    """Return whether this MLflow has that step among its migrations."""
    import mlflow.store.db_migrations as migrations

    folder = Path(next(iter(migrations.__path__))) / "versions"
    return any(path.name.startswith(f"{revision}_") for path in folder.iterdir())
