"""Pixels of images that were made, by their digest: an SQLite file, filled from batches."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.generation import formats
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.detection.image import pixel_digest
from ganlib.generation.detection.likeness import SIDE, Likenesses, fields
from ganlib.generation.storage import Where, locate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FORMAT = 2
_IMAGES_AT_ONCE, _BYTES_AT_ONCE = 4096, 2**24
_PATIENCE = 10.0  # seconds that who looks up waits for another program's commit; who adds waits longer
_CACHE = -(2**18)
"""KiB of SQLite's pages while digests come in, which are in no order. What fits, some two million images, is written
when it is complete: until then nobody who looks up has to wait."""
_BATCHES = "SELECT id, place, facts FROM batches"
_TABLES = """
CREATE TABLE batches (id INTEGER PRIMARY KEY, place TEXT UNIQUE, digest TEXT, facts TEXT);
CREATE TABLE images (digest BLOB PRIMARY KEY, batch INTEGER, number INTEGER, fields BLOB) WITHOUT ROWID;
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
        Unavailable: another program holds the file; batches that were taken in before stay.
    """
    batches = [(str(place), _finished(place)) for place in places]
    path.parent.mkdir(parents=True, exist_ok=True)
    done, same = 0, 0
    with _patience(path), closing(_opened(path, create=True)) as database:
        database.execute(f"PRAGMA cache_size = {_CACHE}")
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


class ImageIndex(AbstractContextManager["ImageIndex"]):
    """An index that was opened to look images up. One thread at a time may ask, whichever it is.

    What is taken into the file meanwhile is known to the next question.
    """

    def __init__(self, path: Path, *, names_only: bool = False) -> None:
        """Open the index at ``path``; ``names_only``: of places only the last part is told.

        Raises:
            BadInput: there is none, or it is something else.
        """
        self.path, self._names_only = path, names_only
        self._database = _opened(path, create=False)
        self._snapshot: _Snapshot | None = None

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._database.close()

    def find(self, digest: bytes) -> IndexEntry | None:
        """Return the image whose pixels have ``digest``; None: the index knows none.

        Raises:
            Unavailable: another program holds the file.
        """
        query = "SELECT number, place, facts FROM images JOIN batches ON batch = id WHERE images.digest = ?"
        with _patience(self.path):
            row = self._database.execute(query, (digest,)).fetchone()
        return self._entry(*row) if row else None

    def nearest(self, image: NDArray[np.uint8]) -> tuple[IndexEntry, float] | None:
        """Return the image that ``image``, uint8 [channels, height, width], is most like, and by how many levels not.

        None: there is none so near as :data:`ganlib.generation.detection.likeness.NEAR`. The first question reads the
        fields of all images, some 100 bytes each, which are held from then on.

        Raises:
            Unavailable: another program holds the file.
        """
        with _patience(self.path):
            state = self._current()
        near = state.likenesses.nearest(fields(image[None])[0])
        if near is None:
            return None
        row, levels = near
        return self._entry(int(state.numbers[row]), *state.batches[int(state.of_batch[row])]), levels

    def _current(self) -> _Snapshot:
        """All that :meth:`nearest` goes through, as the file has it now."""
        import numpy as np

        (version,) = self._database.execute("PRAGMA data_version").fetchone()
        if self._snapshot and self._snapshot.version == version:
            return self._snapshot
        self._snapshot = None
        columns = np.dtype([("fields", f"S{SIDE**2}"), ("batch", np.int64), ("number", np.int64)])
        with self._database:
            self._database.execute("BEGIN")  # images and batches are of one moment
            batches = {number: (place, facts) for number, place, facts in self._database.execute(_BATCHES)}
            rows = np.fromiter(self._database.execute("SELECT fields, batch, number FROM images"), columns)
        table = np.ascontiguousarray(rows["fields"]).view(np.uint8).reshape(len(rows), SIDE**2)
        self._snapshot = _Snapshot(version, batches, Likenesses(table), rows["batch"].copy(), rows["number"].copy())
        return self._snapshot

    def _entry(self, number: int, place: str, facts: str) -> IndexEntry:
        name = place.rstrip("/").rpartition("/")[2] if self._names_only else place
        return IndexEntry(place=name, index=number, **json.loads(facts))


class _Snapshot(NamedTuple):
    """An index's images at one moment."""

    version: int
    """SQLite's, of the file: another one once somebody else has written to it."""
    batches: dict[int, tuple[str, str]]
    """Place and facts."""
    likenesses: Likenesses
    of_batch: NDArray[np.int64]
    numbers: NDArray[np.int64]


@contextmanager
def _patience(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the index {path} cannot be used just now ({error}); try again.") from error


def _finished(place: Where) -> Manifest:
    manifest = manifests.read(place)
    if manifest is None or not manifest.complete:
        raise BadInput(f"{place} holds no finished batch; nothing was taken in.")
    return manifest


def _opened(path: Path, *, create: bool) -> sqlite3.Connection:
    wrong = BadInput(
        f"{path} is no index of images, or one of another format: choose another file with --index, or move this one "
        "away and make it again with `ganlib detect index DIR...`. Nothing was changed."
    )
    if not create and not path.exists():
        raise BadInput(f"there is no index at {path}: make one with `ganlib detect index DIR...`.")
    try:
        database = sqlite3.connect(path, timeout=6 * _PATIENCE if create else _PATIENCE, check_same_thread=False)
    except sqlite3.DatabaseError as error:
        raise wrong from error
    try:
        (number,) = database.execute("PRAGMA user_version").fetchone()
        empty = not database.execute("SELECT 1 FROM sqlite_master").fetchone()
        if number == 0 and empty and create:
            database.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_FORMAT}; COMMIT;")
        elif number != _FORMAT:
            raise wrong
    except (sqlite3.DatabaseError, BadInput) as error:
        database.close()
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
        table = fields(images)
        rows = [(pixel_digest(image), batch, first + at, table[at].tobytes()) for at, image in enumerate(images)]
        database.executemany("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?)", rows)
        done += len(rows)
        report.advance(stage, done, manifest.count)


def _images(place: str, manifest: Manifest) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Number of the first and pixels of a few thousand images at a time, read back from the shards."""
    import numpy as np

    form, storage = formats.load(manifest.file_format), locate(place)
    most = max(1, min(_IMAGES_AT_ONCE, _BYTES_AT_ONCE // manifest.dataset.image.nbytes))
    for shard in range(manifest.shard_count):
        numbers = manifest.images(shard)
        for start in range(0, len(numbers), most):
            rows = np.arange(start, min(start + most, len(numbers)))
            yield numbers[start], form.images(storage, manifest, shard, rows)
