"""Pictures that a table beside them names, with a label or a caption or both."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from ganlib.core.errors import BadInput
from ganlib.data.importing.files import Files
from ganlib.data.importing.folders import passed_over, split_folders
from ganlib.data.importing.picture import (
    TEST_NAMES,
    VALIDATION_NAMES,
    GivenSplit,
    Layout,
    Picture,
    listed,
    ordered,
)

TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_ENDINGS = (".csv", ".tsv", ".jsonl", ".xlsx")
FILE_COLUMNS = ("file", "file_name", "filename", "path", "image", "image_path")
LABEL_COLUMNS = ("label", "class", "category", "class_name", "labels")
CAPTION_COLUMNS = ("caption", "text", "description", "captions")
SPLIT_COLUMNS = ("split", "subset")


class _Columns(NamedTuple):
    """Names of a table's columns, as it spells them."""

    file: str
    label: str | None
    caption: str | None
    split: str | None


def tables(files: Files) -> list[str]:
    """Return the tables at the top of a place, or of its train/ and test/."""
    tops = [part.prefix for part in split_folders(files.names)[0]]
    return [f"{top}{name}" for top in dict.fromkeys(("", *tops)) for name in TABLES if f"{top}{name}" in files.names]


def strangers(files: Files) -> str | None:
    """Return what to say of tables at the top of a place of which none is called as it has to be; None: no tables."""
    names = [name for name in files.names if "/" not in name and name.lower().endswith(_ENDINGS)]
    if not names:
        return None
    return f"{listed(names)} is not read: a table of labels or captions is called {TABLES[0]}"


def recognise(files: Files) -> Layout:
    """Return the layout of a place with a table (or one in train/ and one in test/).

    Raises:
        BadInput: a table is not readable, lacks a column, names files that are not there (row numbers are told; the
            first row below the names of the columns is row 2, the first of JSON lines row 1), or gives only some of the
            pictures a label.
    """
    names = tables(files)
    parts = {part.prefix: part.split for part in split_folders(files.names)[0]}
    pictures: list[Picture] = []
    for name in names:
        folder = name.rpartition("/")[0]
        prefix = f"{folder}/" if folder else ""
        pictures += _pictures(files, name, prefix, parts.get(prefix) if prefix else None)
    labels = [picture.label for picture in pictures if picture.label is not None]
    class_names = ordered(labels)
    if labels and len(class_names) < 2:
        raise BadInput(f"{files.path(names[0])} gives one label only ({class_names[0]!r}); at least two are needed.")
    if not pictures:
        raise BadInput(f"{files.path(names[0])} has no rows.")
    columns_read = [
        word for word, there in (("labels", labels), ("captions", pictures[0].caption is not None)) if there
    ]
    sources = tuple(sorted({*names, *(picture.name for picture in pictures)}))
    return Layout(
        kind=f"pictures with a table of {' and '.join(columns_read)} ({', '.join(names)})",
        pictures=lambda: iter(pictures),
        total=len(pictures),
        class_names=class_names,
        files=sources,
        rest=passed_over(files.names, sources),
    )


def _pictures(files: Files, name: str, prefix: str, split: GivenSplit | None) -> list[Picture]:
    read = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}[PurePosixPath(name).suffix]
    rows = read(files, name)
    if not rows:
        return []
    columns = _columns(files.path(name), rows[0])
    there = set(files.names)
    paths = [_path(prefix, row[columns.file]) for row in rows]
    _require_none(files.path(name), "names files that are not there", [path not in there for path in paths], paths)
    labels = _column(files.path(name), rows, columns.label, "has no label")
    captions = _column(files.path(name), rows, columns.caption, "has no caption")
    splits = [split] * len(rows) if columns.split is None else [_split(row[columns.split], split) for row in rows]
    return [
        Picture(path, partial(files.open, path), label, caption, split)
        for path, label, caption, split in zip(paths, labels, captions, splits, strict=True)
    ]


def _text(files: Files, name: str) -> str:
    with files.open(name) as stream:
        data = stream.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{files.path(name)} is not UTF-8 text (byte {error.start:,}).") from None


def _json_lines(files: Files, name: str) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(_text(files, name).split("\n"), 1):
        try:
            row = json.loads(line) if line.strip() else None
        except ValueError as error:
            raise BadInput(f"{files.path(name)} is not a table of JSON lines: line {number}: {error}.") from None
        if row is None:
            continue
        if not isinstance(row, dict):
            raise BadInput(f"{files.path(name)} is not a table of JSON lines: line {number} is no object.")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


def _csv(files: Files, name: str) -> list[dict[str, Any]]:
    text = _text(files, name)
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    try:
        rows: list[dict[str, Any]] = [
            {str(key): value for key, value in row.items() if key is not None} for row in reader
        ]
    except csv.Error as error:
        raise BadInput(f"{files.path(name)} is not a CSV table: line {reader.line_num}: {error}.") from error
    return rows


def _parquet(files: Files, name: str) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with files.open(name) as stream:
        try:
            rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(stream.read())).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{files.path(name)} is not a Parquet table: {error}.") from error
    return rows


def choose(names: Sequence[str], choices: Sequence[str]) -> str | None:
    """Return the first of the columns ``names`` that is called like one of ``choices``, capitals aside."""
    by_name = {name.strip().lower(): name for name in names}
    return next((by_name[name] for name in choices if name in by_name), None)


def _columns(table: str, row: Mapping[str, Any]) -> _Columns:
    names = list(row)
    file, label, caption, split = (
        choose(names, choices) for choices in (FILE_COLUMNS, LABEL_COLUMNS, CAPTION_COLUMNS, SPLIT_COLUMNS)
    )
    if file is None or (label is None and caption is None):
        lacks = "no column of files" if file is None else "neither a column of labels nor one of captions"
        raise BadInput(
            f"{table} has {lacks}. Wanted: one of {', '.join(FILE_COLUMNS)}, and one of {', '.join(LABEL_COLUMNS)} "
            f"or of {', '.join(CAPTION_COLUMNS)}. There is: {', '.join(names)}."
        )
    return _Columns(file, label, caption, split)


def _column(table: str, rows: list[dict[str, Any]], column: str | None, lacks: str) -> list[str | None]:
    if column is None:
        return [None] * len(rows)
    values = [plain(row[column]) for row in rows]
    _require_none(table, lacks, [not value for value in values], None)
    return list(values)


def plain(value: Any) -> str:
    """Return a label or caption as text in composed form (NFC), of a list the first; empty for nothing."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else unicodedata.normalize("NFC", str(value)).strip()


def _path(prefix: str, value: Any) -> str:
    text = str(value or "").strip().replace("\\", "/")
    return prefix + (PurePosixPath(text).as_posix() if text else "")


def _split(value: Any, otherwise: GivenSplit | None) -> GivenSplit | None:
    name = plain(value).lower()
    if name in TEST_NAMES + VALIDATION_NAMES:
        return "test" if name in TEST_NAMES else "train"  # of which validation is drawn
    return "train" if name else otherwise


def _require_none(table: str, what: str, wrong: list[bool], names: list[str] | None) -> None:
    rows = [at for at, is_wrong in enumerate(wrong) if is_wrong]
    if rows:
        first = 1 if table.endswith(".jsonl") else 2  # below the names of the columns
        numbers = [f"row {at + first}" + (f" ({names[at] or 'empty'})" if names else "") for at in rows]
        raise BadInput(f"{table} {what}, {len(rows):,} of {len(wrong):,} rows: {listed(numbers)}.")
