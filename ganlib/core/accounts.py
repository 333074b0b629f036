"""Whom the process runs for, where the system has no name and no home for its number: containers run so."""

from __future__ import annotations

import getpass
import os
from contextlib import suppress
from pathlib import Path

from ganlib.core import project
from ganlib.core.errors import GanlibError


def user() -> str:
    """Return the user's name, or the number of one who has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def set_defaults() -> None:
    """Give libraries below us, here and in children, a name and folders that they can write to; what is there stays.

    DVC asks for both and ends where there is none. What is kept in place of a home is in the project's state folder.
    """
    name = user()
    for variable in ("LOGNAME", "USER"):
        os.environ.setdefault(variable, name)
    # A home that cannot be written to may hold credentials all the same: it is kept, and only caches move.
    home = _home()
    if home and os.access(home, os.W_OK | os.X_OK):
        return
    with suppress(GanlibError, OSError):  # outside a project, and where nothing can be written, nothing needs a home
        folder = project.find().state / "home"
        folder.mkdir(parents=True, exist_ok=True)
        if home is None or not home.is_dir():
            os.environ["HOME"] = str(folder)
        os.environ.setdefault("XDG_CACHE_HOME", str(folder / ".cache"))
        os.environ.setdefault("MPLCONFIGDIR", str(folder / ".cache" / "matplotlib"))


def _home() -> Path | None:
    try:
        return Path("~").expanduser()
    except RuntimeError:
        return None
