"""One thing that people had done, and what came of it."""

from __future__ import annotations

from typing import Literal

from ganlib.core.record import Record
from ganlib.registry.entries import LedgerEntry


class Finding(Record):
    """One thing that people had done, and what came of it."""

    level: Literal["info", "warning", "error"]
    text: str
    entry: LedgerEntry | None = None
    """The ledger's last word on it."""
    model: str = ""
    """The registered model that it is about."""

    def __str__(self) -> str:
        """As in ``icons-generator: version 3 stays champion``."""
        return f"{self.model}: {self.text}" if self.model else self.text
