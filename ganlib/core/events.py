"""What happens once in the course of a job, and how another process tells it: as JSON, a line each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

Facts = Mapping[str, float | int | str]


@dataclass(frozen=True)
class Remark:
    """Something that people should know about ``stage``; nothing acts on it."""

    stage: str
    facts: Facts


@dataclass(frozen=True)
class TrainingCheck:
    """A training has measured its moving average on the validation split."""

    stage: ClassVar = "check"
    step: int
    validation_fid: float

    @property
    def facts(self) -> Facts:
        """What people are shown of it."""
        return asdict(self)


@dataclass(frozen=True)
class TrialStart:
    """A trial of a search has its run in MLflow."""

    stage: ClassVar = "trial"
    run_id: str

    @property
    def facts(self) -> Facts:
        """What people are shown of it."""
        return {"run": self.run_id}


Event = Remark | TrainingCheck | TrialStart
_KINDS: dict[str, type[Event]] = {"remark": Remark, "checked": TrainingCheck, "trial_started": TrialStart}


def to_json(event: Event) -> dict[str, Any]:
    """Return ``event`` as an object for JSON; :func:`from_json` reads it back."""
    (kind,) = (name for name, each in _KINDS.items() if type(event) is each)
    return {"event": kind, **asdict(event)}


def from_json(record: Mapping[str, Any]) -> Event | None:
    """Return the event that ``record`` holds; None if it is of a kind that is no :data:`Event`."""
    fields = dict(record)
    kind = _KINDS.get(fields.pop("event", ""))
    return kind(**fields) if kind else None
