"""One look at all causes: which of them there are now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from ganlib.config import CAUSES, Params
from ganlib.core.errors import unknown
from ganlib.core.project import Project
from ganlib.jobs.triggers import age, data, drift, images, registry, schedule
from ganlib.jobs.triggers.situation import Cause, Situation
from ganlib.tracking.store import connect

TRIGGERS: Mapping[str, Callable[[Situation], str | None]] = {
    "schedule": schedule.due,
    "data": data.due,
    "images": images.due,
    "age": age.due,
    "drift": drift.due,
    "registry": registry.due,
}
"""Of each cause by its name, what says whether there is one now, and why."""
_FROM_OUTSIDE = "said by whoever started it"


def situation(project: Project, params: Params, now: datetime | None = None) -> Situation:
    """Return the state of things, to be looked at. MLflow must answer.

    Raises:
        Unavailable: it does not.
    """
    return Situation(project, params, connect(project), now or datetime.now(UTC))


def look(state: Situation, others: Sequence[Cause] = ()) -> tuple[Cause, ...]:
    """Return the causes that there are now, of those in ``triggers.causes``, and ``others``; each name once.

    Args:
        state: what is looked at.
        others: causes that somebody else has seen; of the same name, what is seen here counts.

    Raises:
        BadInput: a cause cannot be measured, such as an inbox that is not there.
        Unavailable: MLflow does not answer.
    """
    causes = {cause.name: cause for cause in others}
    for name in state.params.triggers.causes:
        if reason := TRIGGERS[name](state):
            causes[name] = Cause(name=name, reason=reason)
    return tuple(causes[name] for name in sorted(causes, key=list(TRIGGERS).index))


def parse(texts: Iterable[str]) -> tuple[Cause, ...]:
    """Return causes as ``name`` or ``name: reason`` says them.

    Raises:
        BadInput: there is no such cause; the nearest is offered.
    """
    causes = []
    for text in texts:
        name, _, reason = (part.strip() for part in text.partition(":"))
        if name not in TRIGGERS:
            raise unknown("cause", name, CAUSES)
        causes.append(Cause(name=name, reason=reason or _FROM_OUTSIDE))
    return tuple(causes)
