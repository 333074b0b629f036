"""Which layout a place has."""

from __future__ import annotations

from pathlib import Path

from ganlib.core.errors import BadInput
from ganlib.data.importing import folders, idx_files, parquet, table
from ganlib.data.importing.files import Files, locate, open_files
from ganlib.data.importing.picture import Layout

MOST_CLASSES = 1000


class Source:
    """A place that was recognised: its layout, and the digest of what it holds."""

    def __init__(self, place: Path, max_bytes: int) -> None:
        """Recognise ``place``: IDX files, a table beside pictures, Parquet files, folders of pictures, in this order.

        Raises:
            BadInput: it is of no known layout, or may not be read; what there is and what is wanted is told.
        """
        self.place = place
        try:
            self.layout, self._files = _recognise(place, max_bytes)
        except OSError as error:
            raise BadInput(f"{error.filename or place} cannot be read: {error.strerror}.") from error
        if len(self.layout.class_names) > MOST_CLASSES:
            raise BadInput(
                f"{place} has {len(self.layout.class_names):,} classes; at most {MOST_CLASSES:,} can be used."
            )

    def digest(self) -> str:
        """Return the SHA-256 over the sorted names and SHA-256s of the files that are used, or of the archive."""
        if self._files is None:
            return parquet.digest(self.place)
        return self._files.digest(tuple(sorted(self.layout.files, key=lambda name: name.split("/"))))


def _recognise(place: Path, max_bytes: int) -> tuple[Layout, Files | None]:
    """The layout of ``place``, and its files unless they are Parquet files."""
    if not locate(place)[0].exists():
        raise BadInput(f"data source {place} is not there.")
    if parquet.is_parquet(place):
        return parquet.recognise(place), None
    files = open_files(place, max_bytes)
    if pairs := idx_files.pairs(files):
        return idx_files.recognise(files, pairs), files
    if table.tables(files):
        return table.recognise(files), files
    hint = table.strangers(files)
    try:
        layout = folders.recognise(files)
    except BadInput as error:
        raise BadInput(f"{error} {hint}." if hint else str(error)) from None
    return layout._replace(notes=(*layout.notes, hint) if hint else layout.notes), files
