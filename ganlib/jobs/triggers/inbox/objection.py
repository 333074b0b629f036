"""Why a file of an inbox cannot be used as an image of the data set."""

from __future__ import annotations

import io
from pathlib import PurePosixPath

from ganlib.data.importing.decode import FORMATS, Rules, Unreadable, decode, read_header
from ganlib.data.importing.folders import is_picture
from ganlib.jobs.triggers.inbox.base import Arrival


def objection(arrival: Arrival, rules: Rules, class_names: tuple[str, ...]) -> str | None:
    """Return why a file cannot be used; None if it can. It is decoded as an import would.

    Args:
        arrival: the file; where there are classes, the first folder of its name is the class.
        rules: by which the data set's pictures are made arrays.
        class_names: of the data set; empty where it has none.
    """
    name = arrival.name
    if not is_picture(name):
        return f"its name does not end as that of a picture ({', '.join(FORMATS)})"
    top = PurePosixPath(name).parts[0] if "/" in name else None
    if class_names and top is None:
        return f"it lies in no folder of a class ({_some(class_names)})"
    if class_names and top not in class_names:
        return f"the data set has no class {top!r}, only {_some(class_names)}"
    stream = io.BytesIO(arrival.content)
    try:
        read_header(stream)
        stream.seek(0)
        decode(stream, rules)
    except Unreadable as error:
        return str(error)
    return None


def _some(class_names: tuple[str, ...]) -> str:
    more = f" and {len(class_names) - 5} more" if len(class_names) > 5 else ""
    return ", ".join(class_names[:5]) + more
