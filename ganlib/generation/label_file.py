"""A file with a label an image: a name a line, or a CSV file with a column for it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from ganlib.core.errors import BadInput

_HEADERS = {"label", "labels", "class", "class_name"}


def names_file(option: str) -> bool:
    """Whether ``option`` is a file or looks like its name; a class called that comes first."""
    path = Path(option)
    return bool(path.suffix) or len(path.parts) > 1 or path.is_file()


def read(path: Path, data: bytes, label: Callable[[str], int]) -> list[int]:
    """Return the labels in ``data``, the bytes of the file at ``path``, from the first line on.

    Without a header a line is a name. A header that has ``label`` in it may have more columns, separated by commas.

    Args:
        path: names the file in messages.
        data: its bytes: UTF-8.
        label: from a name to a label; raises :class:`BadInput`.

    Raises:
        BadInput: a line that names no class (its number is told), or no line at all.
    """
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    header = [cell.strip().lower() for cell in _cells(lines[0])] if lines else []
    column = next((at for at, name in enumerate(header) if name in _HEADERS), None)
    if column is not None and _is_class(lines[0].strip(), label):
        column = None
    labels = []
    for number, line in enumerate(lines):
        if number == 0 and column is not None:
            continue
        cells = _cells(line)
        # What has another number of columns than the header is told as it stands.
        alone = column is None or len(cells) != len(header)
        try:
            labels.append(label(_name(line, cells, label) if alone else cells[column or 0].strip()))
        except BadInput as error:
            raise BadInput(f"{path}, line {number + 1}: {error}") from error
    if not labels:
        raise BadInput(f"{path} has no label in it.")
    return labels


def _name(line: str, cells: list[str], label: Callable[[str], int]) -> str:
    """Return the name on a line of names: the line, or what is in quotes on it."""
    return cells[0] if len(cells) == 1 and not _is_class(line.strip(), label) else line.strip()


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:  # a quote that does not end
        return [line]


def _is_class(name: str, label: Callable[[str], int]) -> bool:
    try:
        label(name)
    except BadInput:
        return False
    return True
