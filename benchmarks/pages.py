"""The parts of pages in docs/ that a command writes, between two marks that the page does not show."""

from __future__ import annotations

from pathlib import Path

_END = "<!-- end -->"


def put(page: Path, mark: str, part: str) -> None:
    """Put ``part`` between ``mark`` and the next end mark of ``page``, or with both at its end."""
    before, _, rest = page.read_text(encoding="utf-8").partition(mark)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before.rstrip()}\n\n{mark}\n{part}\n{_END}{after.rstrip()}\n", encoding="utf-8")
