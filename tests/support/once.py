"""What is made once for all of pytest's processes, in a folder that they share: each of these costs seconds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ganlib.core.locks import hold

FOLDER_VARIABLE = "GANLIB_TESTS_SHARED"
"""Names the folder in the environment; not set outside of pytest, where everything is made anew."""


def once(name: str, make: Callable[[Path], object]) -> Path | None:
    """Have ``make`` make the file or folder ``name`` in the shared folder for the first process that asks for it.

    Args:
        name: of what is made; all who use it make the same.
        make: brings the path that it is given into being. One that fails is tried again by the next who asks.

    Returns:
        Its path, to be read and copied and never written; None outside of pytest.
    """
    if FOLDER_VARIABLE not in os.environ:
        return None
    path = Path(os.environ[FOLDER_VARIABLE]) / name
    with hold(path.with_name(f"{name}.lock"), what=f"test session that makes {name}", patience=3600):
        if not path.exists():
            half = path.with_name(f"half-{name}")
            if half.is_dir():
                shutil.rmtree(half)
            half.unlink(missing_ok=True)
            make(half)
            half.rename(path)
    return path
