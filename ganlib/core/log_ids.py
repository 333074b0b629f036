"""What the lines of a log are about: command, Prefect's flow run, MLflow's run, model version. One grep finds a run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

VARIABLE = "GANLIB_LOG_IDS"
"""Of the environment: the ids that a child of ours begins with, as JSON."""
_ids: dict[str, str] = {}
"""Of this process, whichever thread writes the line."""
_of_child: ContextVar[Mapping[str, Any] | None] = ContextVar("_of_child", default=None)
"""Of the child whose line is passed on by this thread."""


def begin(name: str) -> None:
    """Begin anew: note what this process's parent is about, and the command line, which ``name`` begins."""
    _ids.clear()
    with suppress(ValueError, TypeError):  # somebody else's
        _ids.update(json.loads(os.environ.pop(VARIABLE, "{}")))
    words = [name.rpartition(" ")[2].removeprefix("ganlib"), *takewhile(lambda word: word[:1] != "-", sys.argv[1:])]
    note(command=" ".join(filter(None, words))[:60] or None)


def note(**ids: str | None) -> None:
    """From now on, lines of this process are about these; None is left as it was."""
    _ids.update({name: value for name, value in ids.items() if value is not None})


@contextmanager
def scope() -> Iterator[None]:
    """What is noted inside is forgotten afterwards, unless it failed: the line that says so is about that, too."""
    before = dict(_ids)
    yield
    _ids.clear()
    _ids.update(before)


def current() -> dict[str, str]:
    """Return the ids of what this process is about."""
    return dict(_ids)


def fields() -> dict[str, Any]:
    """Return what a JSON line that is written now has besides its own: ``time`` (UTC, ISO 8601), ``about`` (ids)."""
    child = _of_child.get() or {}
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    ids = {**_ids, **child.get("about", {})}
    return {"time": child.get("time", now), **({"about": ids} if ids else {})}


@contextmanager
def split(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Provide a child's line without these fields; lines that are written inside by this thread have them."""
    theirs = {name: record[name] for name in ("time", "about") if name in record}
    token = _of_child.set(theirs)
    try:
        yield {name: value for name, value in record.items() if name not in theirs}
    finally:
        _of_child.reset(token)


def for_child() -> dict[str, str]:
    """Return the variable of the environment by which a child knows what it is about."""
    ids = {name: value for name, value in _ids.items() if name != "command"}
    return {VARIABLE: json.dumps(ids)} if ids else {}
