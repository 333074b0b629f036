"""Locks of the operating system, which lets go of them when their holder dies: nobody has to clean up after a kill."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from ganlib.core.errors import ReadOnly, Unavailable
from ganlib.core.files import explained


@contextmanager
def hold(path: Path, *, what: str, patience: float = 60.0) -> Iterator[None]:
    """Hold the lock file at ``path``, waiting up to ``patience`` seconds for another holder.

    Raises:
        Unavailable: it is held for longer; ``what`` names the work that needs it.
        ReadOnly: it is not there and cannot be made.
    """
    deadline = time.monotonic() + patience
    with _opened(path) as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"another {what} has held {path} for over {patience:.0f} s. Nothing was changed; try again."
                    ) from None
                time.sleep(0.05)
        yield


@contextmanager
def hold_if_writable(path: Path, *, what: str, patience: float = 60.0) -> Iterator[None]:
    """As :func:`hold`, and without the lock where the folder cannot be written: for what only reads there."""
    with ExitStack() as stack:
        with suppress(ReadOnly):
            stack.enter_context(hold(path, what=what, patience=patience))
        yield


def _opened(path: Path) -> IO[str]:
    """The lock file, made if need be. One that is another user's can be locked all the same."""
    try:
        with explained(path, 0):
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("a")
    except ReadOnly:
        if not os.access(path, os.R_OK):
            raise
    with explained(path, 0):
        return path.open()
