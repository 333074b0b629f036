"""Pixels of images that were made, by their digest: an SQLite file, filled from batches."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.generation import formats
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.detection.image import pixel_digest
from ganlib.generation.detection.likeness import difference, outline
from ganlib.generation.storage import Where, locate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FORMAT = 1
_AT_ONCE = 4096
_TABLES = """
CREATE TABLE batches (id INTEGER PRIMARY KEY, place TEXT UNIQUE, digest TEXT, facts TEXT);
CREATE TABLE images (digest BLOB PRIMARY KEY, batch INTEGER, number INTEGER, outline INTEGER) WITHOUT ROWID;
"""


class IndexEntry(Record):
    """An image of a batch."""

    place: str
    """The batch's folder or URL when it was taken in."""
    index: int
    model_sha256: str
    seed: int
    model: str | None
    version: int | None
    run_id: str | None


class IndexUpdate(Record):
    """What came of taking batches in."""

    file: str
    images: int
    """That are new."""
    batches: int
    """That were taken in now."""
    same: int
    """Batches that were there already."""
    total: int
    """Images that the index knows."""

    def summary(self) -> str:
        """One line."""
        more = f"; {self.same} batches were there already" if self.same else ""
        return f"{self.images:,} new images of {self.batches} batches{more}; {self.file} knows {self.total:,}."


def update(path: Path, places: Sequence[Where], report: Report = silent) -> IndexUpdate:
    """Take the finished batches at ``places`` into the index at ``path``, which is made if there is none.

    A batch is taken in whole or not at all, and one that has not changed since is passed over.

    Raises:
        BadInput: one is no finished batch, or ``path`` is something else; nothing of it was taken in.
    """
    batches = [(str(place), _finished(place)) for place in places]
    path.parent.mkdir(parents=True, exist_ok=True)
    done, same = 0, 0
    with closing(_opened(path, create=True)) as database:
        before = _count(database)
        for number, (place, manifest) in enumerate(batches):
            if _is_there(database, place, manifest):
                same += 1
                continue
            with database:
                _take_in(database, place, manifest, report, f"batch {number + 1} of {len(batches)}")
            done += 1
        total = _count(database)
    return IndexUpdate(file=str(path), images=total - before, batches=done, same=same, total=total)


def find(path: Path, digest: bytes) -> IndexEntry | None:
    """Return the image whose pixels have ``digest``; None: the index knows none.

    Raises:
        BadInput: ``path`` is no index.
    """
    with closing(_opened(path, create=False)) as database:
        return _entry(database, "images.digest", digest)


def nearest(path: Path, bits: int) -> tuple[IndexEntry, int] | None:
    """Return the image whose outline differs least from ``bits``, and in how many of 64 bits; None: there is none."""
    import numpy as np

    with closing(_opened(path, create=False)) as database:
        rows = np.array(database.execute("SELECT outline FROM images").fetchall(), np.int64).reshape(-1)
        if not len(rows):
            return None
        differences = difference(rows, bits)
        best = int(rows[differences.argmin()])
        entry = _entry(database, "outline", best)
    return (entry, int(differences.min())) if entry else None


def _entry(database: sqlite3.Connection, column: str, value: bytes | int) -> IndexEntry | None:
    """The first image with ``value`` in ``column``."""
    query = f"SELECT place, number, facts FROM images JOIN batches ON batch = id WHERE {column} = ? LIMIT 1"  # noqa: S608  (ours)
    row = database.execute(query, (value,)).fetchone()
    return IndexEntry(place=row[0], index=row[1], **json.loads(row[2])) if row else None


def _finished(place: Where) -> Manifest:
    manifest = manifests.read(place)
    if manifest is None or not manifest.complete:
        raise BadInput(f"{place} holds no finished batch; nothing was taken in.")
    return manifest


def _opened(path: Path, *, create: bool) -> sqlite3.Connection:
    wrong = BadInput(f"{path} is no index of images; choose another file with --index. Nothing was changed.")
    if not create and not path.exists():
        raise BadInput(f"there is no index at {path}: make one with `ganlib detect index DIR...`.")
    try:
        database = sqlite3.connect(path, timeout=60)
        (number,) = database.execute("PRAGMA user_version").fetchone()
        empty = not database.execute("SELECT 1 FROM sqlite_master").fetchone()
        if number == 0 and empty and create:
            with database:
                database.executescript(_TABLES)
                database.execute(f"PRAGMA user_version = {_FORMAT}")
        elif number != _FORMAT:
            raise wrong
    except sqlite3.DatabaseError as error:
        raise wrong from error
    return database


def _is_there(database: sqlite3.Connection, place: str, manifest: Manifest) -> bool:
    query = "SELECT 1 FROM batches WHERE place = ? AND digest = ?"
    return database.execute(query, (place, manifest.digest)).fetchone() is not None


def _count(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM images").fetchone()[0])


def _take_in(database: sqlite3.Connection, place: str, manifest: Manifest, report: Report, stage: str) -> None:
    origin = manifest.origin
    facts: dict[str, Any] = {
        "model_sha256": manifest.model_sha256,
        "seed": manifest.seed,
        "model": origin.get("model"),
        "version": origin.get("version"),
        "run_id": origin.get("run_id") or manifest.model_metadata.get("run_id"),
    }
    database.execute("DELETE FROM images WHERE batch IN (SELECT id FROM batches WHERE place = ?)", (place,))
    database.execute("DELETE FROM batches WHERE place = ?", (place,))
    batch = database.execute(
        "INSERT INTO batches (place, digest, facts) VALUES (?, ?, ?)", (place, manifest.digest, json.dumps(facts))
    ).lastrowid
    done = 0
    for first, images in _images(place, manifest):
        rows = [(pixel_digest(image), batch, first + at, outline(image)) for at, image in enumerate(images)]
        database.executemany("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?)", rows)
        done += len(rows)
        report.advance(stage, done, manifest.count)


def _images(place: str, manifest: Manifest) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Number of the first and pixels of a few thousand images at a time, read back from the shards."""
    import numpy as np

    form, storage = formats.load(manifest.file_format), locate(place)
    for shard in range(manifest.shard_count):
        numbers = manifest.images(shard)
        for start in range(0, len(numbers), _AT_ONCE):
            rows = np.arange(start, min(start + _AT_ONCE, len(numbers)))
            yield numbers[start], form.images(storage, manifest, shard, rows)
