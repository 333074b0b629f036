"""Parquet files with a column of encoded pictures, as Hugging Face writes them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes, sha256_file
from ganlib.data.importing.picture import TEST_NAMES, VALIDATION_NAMES, GivenSplit, Layout, Picture, listed, ordered
from ganlib.data.importing.table import CAPTION_COLUMNS, LABEL_COLUMNS, choose, plain

IMAGE_COLUMNS = ("image", "img", "picture", "photo", "image_bytes", "bytes", "png", "jpg")
_ROWS = 64  # decoded from a file at a time


class _Columns(NamedTuple):
    image: str
    label: str | None
    caption: str | None


class _File(NamedTuple):
    path: Path
    name: str
    split: GivenSplit | None
    rows: int


def is_parquet(place: Path) -> bool:
    """Whether ``place`` is a Parquet file, or a folder that holds some and is no table beside pictures."""
    if place.is_file():
        return place.suffix.lower() == ".parquet"
    return place.is_dir() and bool(_paths(place))


def digest(place: Path) -> str:
    """Return the SHA-256 of the file, or over the files of the folder."""
    if place.is_file():
        return sha256_file(place)
    lines = (f"{sha256_file(path)}  {path.relative_to(place).as_posix()}\n" for path in _paths(place))
    return sha256_bytes("".join(lines).encode())


def recognise(place: Path) -> Layout:
    """Return the layout of a Parquet file, or of all that a folder holds; their names may tell the split.

    Raises:
        BadInput: a file is no Parquet, lacks a column of pictures, or has other columns than the first.
    """
    paths = [place] if place.is_file() else _paths(place)
    schemas = [_opened(path).schema_arrow for path in paths]
    columns = _columns(paths[0], schemas[0])
    for path, schema in zip(paths, schemas, strict=True):
        if missing := {name for name in columns if name} - set(schema.names):
            raise BadInput(f"{path} lacks the column {missing.pop()!r} that {paths[0].name} has.")
    root = place.parent if place.is_file() else place
    names = [path.relative_to(root).as_posix() for path in paths]
    splits = _splits(names) if len(paths) > 1 else [None]
    rows = [_opened(path).metadata.num_rows for path in paths]
    files = [_File(*each) for each in zip(paths, names, splits, rows, strict=True)]
    class_labels = _class_labels(schemas[0]).get(columns.label or "", [])
    class_names = tuple(class_labels) if class_labels else _labels(files, columns.label)
    if columns.label and len(class_names) < 2:
        raise BadInput(f"{place} has one label only ({', '.join(class_names)}); at least two are needed.")
    read = [word for word, column in (("labels", columns.label), ("captions", columns.caption)) if column]
    return Layout(
        kind=f"{len(files)} Parquet file{'s' if len(files) > 1 else ''} with {' and '.join(read) or 'no labels'}",
        pictures=lambda: _pictures(files, columns, class_labels),
        total=sum(rows),
        class_names=class_names,
        files=tuple(names),
        rest=listed(f"column {name}" for name in schemas[0].names if name not in columns),
    )


def _paths(folder: Path) -> list[Path]:
    paths = [path for path in folder.rglob("*") if path.suffix.lower() == ".parquet" and path.is_file()]
    if any(path.name == "metadata.parquet" for path in paths):
        return []
    return sorted(paths, key=lambda path: path.relative_to(folder).parts)


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path} is not a Parquet file: {' '.join(str(error).split())}.") from error


def _columns(path: Path, schema: Any) -> _Columns:
    able = [field.name for field in schema if _holds_bytes(field.type)]
    image = choose(able, IMAGE_COLUMNS) or (able[0] if able else None)
    if image is None:
        raise BadInput(
            f"{path} has no column of pictures (bytes, or a struct of bytes and path). "
            f"There is: {', '.join(f'{field.name} ({field.type})' for field in schema)}."
        )
    others = [name for name in schema.names if name != image]
    label = choose(others, LABEL_COLUMNS) or next((name for name in others if name in _class_labels(schema)), None)
    return _Columns(image, label, choose(others, CAPTION_COLUMNS))


def _holds_bytes(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(kind.field(at).name == "bytes" for at in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _class_labels(schema: Any) -> dict[str, list[str]]:
    """The names of the classes by column of labels, as Hugging Face's metadata of the schema says them."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        rows = {str(column): feature["names"] for column, feature in features.items() if "names" in feature}
        return {column: [str(name) for name in names] for column, names in rows.items()}
    except (AttributeError, KeyError, ValueError, TypeError):
        return {}


def _labels(files: Sequence[_File], label: str | None) -> tuple[str, ...]:
    if label is None:
        return ()
    labels: set[str] = set()
    for file in files:
        for batch in _opened(file.path).iter_batches(columns=[label]):
            labels |= {plain(value) for value in batch.column(0).unique().to_pylist()}
    return ordered(labels - {""})


def _splits(names: Sequence[str]) -> list[GivenSplit | None]:
    """By a word in the files' names or folders: train, test, validation."""
    words = [set(re.split(r"[^a-z]+", name.lower())) for name in names]
    has_test = any(each & set(TEST_NAMES) for each in words)
    split_names = set(TEST_NAMES if has_test else VALIDATION_NAMES)
    if not any(each & split_names for each in words):
        return [None] * len(names)
    return ["test" if each & split_names else "train" for each in words]


def _pictures(files: Sequence[_File], columns: _Columns, class_labels: Sequence[str]) -> Iterator[Picture]:
    names = [name for name in columns if name]
    for file in files:
        row = 0
        for batch in _opened(file.path).iter_batches(batch_size=_ROWS, columns=names):
            for values in batch.to_pylist():
                row += 1
                where = f"{file.name} row {row:,}"
                label = None if columns.label is None else _label(where, values[columns.label], class_labels)
                caption = None if columns.caption is None else plain(values[columns.caption])
                yield Picture(where, partial(io.BytesIO, _bytes(values[columns.image])), label, caption, file.split)


def _label(where: str, value: Any, class_labels: Sequence[str]) -> str:
    if class_labels and isinstance(value, int):
        if not 0 <= value < len(class_labels):
            raise BadInput(f"{where}: label {value} is not one of the {len(class_labels)} that the file declares.")
        return class_labels[value]
    text = plain(value)
    if not text:
        raise BadInput(f"{where} has no label.")
    return text


def _bytes(value: Any) -> bytes:
    """The encoded picture; nothing where there is none, which is then set aside."""
    if isinstance(value, dict):
        value = value.get("bytes")
    return value or b""
