"""MLflow's database of a project appears whole, whoever else is at it; what is wrong with one is told."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from ganlib.core import sqlite
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.tracking import database
from ganlib.tracking.store import connect
from tests import factories


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return factories.project(tmp_path / "project")


def half_made(path: Path, whole: Path) -> None:
    """What a killed MLflow leaves: some tables, and an early step of its migrations."""
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        connection.execute("DROP TABLE logged_models")
        connection.commit()


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_an_empty_file_of_a_client_that_was_killed_at_once_becomes_a_database(project: Project) -> None:
    (project.root / "mlflow.db").touch()
    assert connect(project).client.search_experiments()
    assert not list(project.state.glob("mlflow-*")), "the build's folder is gone"


def test_what_a_killed_build_left_is_removed(project: Project) -> None:
    left = project.state / "mlflow-new" / "mlflow.db"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    connect(project)
    assert not left.parent.exists()


def test_a_database_that_another_program_was_faster_with_stays(
    project: Project, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = project.root / "mlflow.db"
    install = database.sqlite.install

    def late(built: Path, target: Path) -> bool:
        shutil.copy(empty_database, target)
        execute(target, "INSERT INTO experiments VALUES (77, 'theirs', 'file:///x', 'active', 1, 1, 'default')")
        return install(built, target)

    monkeypatch.setattr(database.sqlite, "install", late)
    assert connect(project).client.get_experiment("77").name == "theirs"
    assert ours.exists()


def test_a_half_made_database_that_nobody_is_at_is_told_with_its_remedy_and_not_as_an_outage(
    project: Project, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "QUIET", 0.1)
    path = project.root / "mlflow.db"
    half_made(path, empty_database)
    before = path.read_bytes()
    with pytest.raises(BadInput, match=r"left half-made by a program that was killed.*451aebb31d03.*delete it") as told:
        connect(project)
    assert "\n" not in str(told.value)
    assert path.read_bytes() == before
    path.unlink()  # as it says
    connect(project)


def test_a_half_made_database_with_runs_is_never_to_be_deleted(
    project: Project, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "QUIET", 0.1)
    path = project.root / "mlflow.db"
    half_made(path, empty_database)
    execute(path, "INSERT INTO registered_models (name, workspace) VALUES ('mine', 'default')")
    with pytest.raises(BadInput, match=r"mlflow db upgrade sqlite:///.*a copy from before") as told:
        connect(project)
    assert "rm " not in str(told.value)


def test_a_newer_mlflows_database_is_told(
    project: Project, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "QUIET", 0.1)
    path = project.root / "mlflow.db"
    shutil.copy(empty_database, path)
    execute(path, "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(BadInput, match=r"made by a newer MLflow.*ffffffffffff"):
        connect(project)


def test_a_database_that_another_program_is_just_making_is_waited_for(
    project: Project, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the file open: however slow it is, it is not taken for one that was killed."""
    monkeypatch.setattr(database, "QUIET", 0.1)
    path = project.root / "mlflow.db"
    half_made(path, empty_database)
    found: list[object] = []
    with path.open("rb"):
        waiting = threading.Thread(target=lambda: found.append(connect(project)))
        waiting.start()
        time.sleep(0.5)
        assert not found
        with closing(sqlite3.connect(empty_database)) as whole, closing(sqlite3.connect(path, timeout=60)) as target:
            whole.backup(target)  # as a program does, in one transaction
        waiting.join(60)
    assert found


def test_what_is_looked_at_does_not_change_meanwhile(
    project: Project, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project.root / "mlflow.db"
    shutil.copy(empty_database, path)
    listing, refusals = sqlite.tables, []

    def tables(connection: sqlite3.Connection) -> set[str]:
        names = listing(connection)
        with closing(sqlite3.connect(path, timeout=0)) as other:
            try:
                other.execute("ALTER TABLE runs RENAME TO others")
            except sqlite3.OperationalError as error:
                refusals.append(str(error))
        return names

    monkeypatch.setattr(sqlite, "tables", tables)
    connect(project)
    assert set(refusals) == {"database is locked"}
