"""What one look found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ganlib.core.project import Project
from ganlib.core.record import Record

State = Literal["ok", "remark", "problem"]
_SIGNS = {"ok": "ok", "remark": "?", "problem": "!"}


class HealthFinding(Record):
    """One subject, as it is now."""

    subject: str
    state: State
    """``remark``: nothing fails, and somebody should know. ``problem``: something does not work."""
    words: str
    cure: str | None = None
    """A command, or what a person has to do."""
    cured: bool = False
    """``--fix`` has done that."""


@dataclass
class HealthContext:
    """What is looked at."""

    project: Project
    fix: bool = False
    """Whether what is safe to cure is cured."""
    deep: bool = False
    """Whether all of the remote is read back, and not a sample."""


HealthCheck = Callable[[HealthContext], Iterator[HealthFinding]]


class Diagnosis(Record):
    """All findings, in order."""

    findings: tuple[HealthFinding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong that was not cured."""
        return not any(each.state == "problem" and not each.cured for each in self.findings)

    def summary(self) -> str:
        """A line a subject, and a line for each cure."""
        width = max(len(each.subject) for each in self.findings)
        lines = []
        for each in self.findings:
            lines.append(f"{_SIGNS[each.state]:2} {each.subject:{width}}  {each.words}")
            if each.cured or each.cure:
                lines.append(f"   {'':{width}}  -> {'done' if each.cured else each.cure}")
        return "\n".join(lines)
