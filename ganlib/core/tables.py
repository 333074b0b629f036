"""Tables for terminals."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def text(table: Table) -> str:
    """Return ``table`` as text, folded to the terminal's width; elsewhere (a file, a pipe) as wide as it needs."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 1000, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
