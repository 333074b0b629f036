"""A copy of the database while others write: of one moment, whatever moment that is."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from ganlib.tracking import snapshot
from ganlib.tracking.store import MlflowStore


def test_a_copy_while_somebody_writes_is_of_one_moment(store: MlflowStore, tmp_path: Path) -> None:
    path, stop, ready = store.project.root / "mlflow.db", threading.Event(), threading.Event()

    def write() -> None:
        """Keep two tags equal, in one transaction each time."""
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                rows = [(key, str(number) * 2000) for key in ("one", "other")]
                connection.executemany("INSERT OR REPLACE INTO experiment_tags VALUES (?, ?, 0)", rows)
                connection.commit()
                ready.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert ready.wait(120)
        values = []
        for number in range(5):
            snapshot.take(store.project, tmp_path / f"{number}.db")
            with closing(sqlite3.connect(tmp_path / f"{number}.db")) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                query = "SELECT value FROM experiment_tags WHERE key IN ('one', 'other')"
                one, other = copy.execute(query).fetchall()
            assert one == other
            values.append(one)
    finally:
        stop.set()
        writer.join()
    assert len(set(values)) > 1, "it was written meanwhile"
