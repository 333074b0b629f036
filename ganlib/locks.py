"""Locks of the operating system, which lets go of them when their holder dies: nobody has to clean up after a kill."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganlib.errors import Unavailable


@contextmanager
def held(path: Path, *, what: str, patience: float = 60.0) -> Iterator[None]:
    """Hold the lock file at ``path``, waiting up to ``patience`` seconds for another holder.

    Raises:
        Unavailable: it is held for longer; ``what`` names the work that needs it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with path.open("a") as handle:
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
