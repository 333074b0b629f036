"""What would be retrained now, why, with which families and budget, and about how long that takes. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from statistics import median

from ganlib import families as zoo
from ganlib.config import Params
from ganlib.core import project as projects
from ganlib.core.files import sha256_bytes
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.jobs.training.session import code_sha256
from ganlib.jobs.triggers.look import look, situation
from ganlib.jobs.triggers.situation import Cause, Situation
from ganlib.tracking import history
from ganlib.tracking.claims import Standing

_DECIDES = ("data", "judge", "train", "budgets", "families", "evaluate", "export", "registry", "gate")
"""Sections of params.yaml that decide what a retraining makes and what becomes of it."""
_EARLIER = 5  # runs that an estimate is made of
_SLACK = 1.5  # as of a training's time limit: checkpoints and export are no part of a budget
_BESIDE = 300.0


class FamilyPlan(Record):
    """One family that would be trained."""

    family: str
    seconds: float
    """About how long it takes."""
    runs: int
    """Earlier runs of the same budget that the estimate is the median of; 0: it is the budget's limit."""


class RetrainPlan(Record):
    """What would be retrained now."""

    causes: tuple[Cause, ...]
    families: tuple[FamilyPlan, ...]
    budget: str
    data_version: str | None
    """DVC's md5; None: it is made by the retraining, of what waits in the inbox."""
    params_sha256: str
    """Of the settings that decide what a retraining makes."""
    revision: str | None
    """Git's revision of the source; None: there is none."""
    code_sha256: str
    """Of the package's Python files: what the revision is worth for a training, with or without git."""
    key: str
    """Digest of data version, settings and code: the same is not retrained twice by itself."""
    attempt: int
    """Which start of the same work it would be."""
    seconds: float
    """About how long it takes: the families are trained side by side."""
    machine_seconds: float
    """About how much: of all families together."""
    at_most_seconds: float
    inbox_owner: str | None
    """The other checkout that takes the images out of the inbox; None: this one does, or there is no inbox."""
    why_not: str | None
    """Why nothing is to do; None: it is due."""

    @property
    def due(self) -> bool:
        """Whether it is to be begun."""
        return self.why_not is None

    @property
    def summary(self) -> str:
        """For people, a line each."""
        lines = [f"cause    {cause}" for cause in self.causes]
        if self.inbox_owner:
            lines.append(f"inbox    its images are taken by the checkout {self.inbox_owner}")
        if self.why_not:
            return "\n".join([*lines, f"nothing to do: {self.why_not}"])
        data = self.data_version[:12] if self.data_version else "a new one, with what waits in the inbox"
        families = ", ".join(
            f"{each.family} (about {_time(each.seconds)}, {f'{each.runs} earlier runs' if each.runs else 'its limit'})"
            for each in self.families
        )
        lines += [
            f"data     {data}",
            f"train    {families}; budget {self.budget}",
            f"time     about {_time(self.seconds)}, at most {_time(self.at_most_seconds)}; then evaluation, gate",
            f"cost     about {self.machine_seconds / 3600:.2f} hours of training in all",
        ]
        return "\n".join([*lines, "to do it: ganlib retrain --go"])


def plan(
    project: Project,
    params: Params,
    *,
    families: Sequence[str] | None = None,
    budget: str | None = None,
    others: Sequence[Cause] = (),
    state: Situation | None = None,
) -> RetrainPlan:
    """Return what would be retrained now.

    Args:
        project: the checkout.
        params: its configuration.
        families: what to train; default: ``train.families``.
        budget: a row of ``budgets``; default: ``train.budget``.
        others: causes that somebody else has seen.
        state: what is looked at; default: as it is now.

    Raises:
        BadInput: an unknown family or budget, or a cause cannot be measured.
        Unavailable: MLflow does not answer.
    """
    row, names = params.require_budget(budget), zoo.require_all(families or params.train.families)
    state = state or situation(project, params)
    causes = look(state, others)
    arrivals = next((cause.reason for cause in causes if cause.name == "images"), None)
    data_version = None if arrivals else state.data_version
    data = f"{state.data_version} and {arrivals}" if arrivals else data_version
    key, digest = key_of(params, names, row, data), params_sha256(params, names, row)
    standing = _last(state, key)
    estimates = tuple(_estimate(state, name, row) for name in names)
    limits = [params.limits(name, row).seconds for name in names]
    earlier = [each.outcome.seconds for each in state.standings if _same_work(each, names, row) and each.outcome]
    return RetrainPlan(
        causes=causes,
        families=estimates,
        budget=row,
        data_version=data_version,
        params_sha256=digest,
        revision=projects.source(project.root).commit,
        code_sha256=code_sha256(),
        key=key,
        attempt=standing.claim.attempt + 1 if standing else 1,
        seconds=median(earlier[-_EARLIER:]) if earlier else max(each.seconds for each in estimates),
        machine_seconds=sum(each.seconds for each in estimates),
        at_most_seconds=max(limits) * _SLACK + _BESIDE,
        inbox_owner=state.inbox_owner if "images" in state.params.triggers.causes else None,
        why_not=_why_not(causes, standing),
    )


def facts_of(params: Params, families: Sequence[str], budget: str, data_version: str) -> dict[str, str]:
    """Return what :func:`key_of` is the digest of, and what an estimate is made by, as texts."""
    return {
        "data_version": data_version,
        "params_sha256": params_sha256(params, families, budget),
        "code_sha256": code_sha256(),
        "families": ",".join(families),
        "budget": budget,
    }


def key_of(params: Params, families: Sequence[str], budget: str, data_version: str | None) -> str:
    """Return the digest of what decides a retraining: equal where it would make the same again."""
    parts = [data_version, params_sha256(params, families, budget), code_sha256()]
    return sha256_bytes(json.dumps(parts).encode())[:32]


def params_sha256(params: Params, families: Sequence[str], budget: str) -> str:
    """Return the digest of the settings that decide what a retraining makes."""
    settings = params.model_dump(mode="json", include=set(_DECIDES))
    settings["train"] |= {"families": list(families), "budget": budget}
    return sha256_bytes(json.dumps(settings, sort_keys=True).encode())


def at_most_seconds(params: Params, families: Sequence[str], budget: str) -> float:
    """Return the seconds by which a retraining has ended, its evaluation and the wait for its turn included."""
    return 4 * (max(params.limits(name, budget).seconds for name in families) * _SLACK + _BESIDE) + 3600


def _why_not(causes: Sequence[Cause], standing: Standing | None) -> str | None:
    if not causes:
        return "there is no cause to retrain"
    return standing.blocks if standing else None


def _last(state: Situation, key: str) -> Standing | None:
    of_key = [each for each in state.standings if each.claim.key == key]
    return max(of_key, key=lambda each: each.claim.attempt, default=None)


def _same_work(standing: Standing, families: Sequence[str], budget: str) -> bool:
    facts, outcome = standing.claim.facts, standing.outcome
    same = facts.get("families") == ",".join(families) and facts.get("budget") == budget
    return same and outcome is not None and outcome.state == "done"


def _estimate(state: Situation, family: str, budget: str) -> FamilyPlan:
    limits = state.params.limits(family, budget)
    seconds = list(
        islice(_earlier(state, family, {"steps": str(limits.steps), "seconds": str(limits.seconds)}), _EARLIER)
    )
    return FamilyPlan(family=family, seconds=median(seconds) if seconds else limits.seconds, runs=len(seconds))


def _earlier(state: Situation, family: str, settings: dict[str, str]) -> Iterator[float]:
    """How long earlier trainings of the same budget took, from start to end, the newest first."""
    for run in islice(history.of_family(state.store, state.params.registry.experiment, family), 100):
        same = all(run.params.get(name) == value for name, value in settings.items())
        if run.status == "FINISHED" and run.end and same:
            yield run.end.timestamp() - run.start / 1000


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
