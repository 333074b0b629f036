"""SQLite databases whose tables other programs' code makes in many steps: here they appear in one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ganlib.core.files import explained

_PATIENCE = 60.0  # seconds for another process's transaction


@contextmanager
def opened(path: Path, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """Connect to the database at ``path``, which must be there. Transactions are begun and ended by the caller.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    mode = "rw"  # for readers too: a transaction that was cut off has to be rolled back first
    for mode in ("rw",) if write else ("rw", "ro"):
        try:
            connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=_PATIENCE)
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            if write or mode == "ro":
                raise
        else:
            break
    connection.isolation_level = None
    with closing(connection):
        yield connection


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of all tables."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def make(target: Path, aside: Path, build: Callable[[Path], object]) -> bool:
    """Have ``build`` make a database in the folder ``aside``, and :func:`install` it as ``target``.

    The caller holds a lock: what is in ``aside`` is of a build that was killed.

    Raises:
        sqlite3.Error: ``target`` is no database, or cannot be written.
        NoSpace, ReadOnly: ``aside`` cannot be made.
    """
    with explained(aside, 0):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        build(aside / target.name)
        return install(aside / target.name, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def install(new: Path, target: Path) -> bool:
    """Copy the database ``new`` into ``target`` in one transaction, unless something is in there already.

    Whoever opens ``target`` meanwhile waits for SQLite's own lock, and finds all of it or, after a kill, nothing.

    Returns:
        Whether it was copied.

    Raises:
        sqlite3.Error: ``target`` is no database, or cannot be written.
    """
    with (
        closing(sqlite3.connect(new)) as source,
        closing(sqlite3.connect(target, timeout=_PATIENCE, isolation_level=None)) as copy,
    ):
        copy.execute("BEGIN IMMEDIATE")
        if tables(copy):
            copy.execute("ROLLBACK")
            return False
        for statement in source.iterdump():
            if statement not in ("BEGIN TRANSACTION;", "COMMIT;"):
                copy.execute(statement)
        copy.execute("COMMIT")
    return True
