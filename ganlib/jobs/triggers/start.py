"""Begin a retraining for its causes: one at a time for the same work, whichever machine sees the cause first."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ganlib.config import Params
from ganlib.core.errors import GanlibError, Interrupted, Unavailable
from ganlib.core.project import Project
from ganlib.jobs.triggers.plan import at_most_seconds, facts_of, key_of
from ganlib.jobs.triggers.situation import Cause
from ganlib.tracking.claims import Claims, ClaimState, WorkClaim
from ganlib.tracking.runs import CAUSE_VARIABLE
from ganlib.tracking.store import connect

BY_HAND = "hand"
"""The cause of a retraining that a person asks for: it is begun though the same was done before."""


class Start:
    """A retraining that was claimed, or why it is not to be begun."""

    def __init__(self, claim: WorkClaim | None, why_not: str | None = None) -> None:
        """One of both is None."""
        self.claim, self.why_not = claim, why_not
        self.detail = "no version was registered"
        """What came of it, for the record."""


@contextmanager
def started(
    project: Project,
    params: Params,
    families: Sequence[str],
    budget: str,
    data_version: str,
    causes: Sequence[Cause] | None,
) -> Iterator[Start]:
    """Claim a retraining before it starts, and record what came of it; meanwhile runs are tagged with the causes.

    Args:
        project: the checkout.
        params: its configuration.
        families: what is trained.
        budget: a row of ``budgets``.
        data_version: DVC's md5 of what it is trained on.
        causes: why; None: a person asks for it, so it is begun whatever was done before.

    Raises:
        Unavailable: MLflow does not answer. Nothing was begun.
    """
    claims = Claims(connect(project), params.registry.model)
    names = tuple(cause.name for cause in causes or ()) or (BY_HAND,)
    claim = claims.take(
        key_of(params, families, budget, data_version),
        names,
        facts_of(params, families, budget, data_version) | {cause.name: cause.reason for cause in causes or ()},
        seconds=at_most_seconds(params, families, budget),
        insist=causes is None,
    )
    if not isinstance(claim, WorkClaim):
        yield Start(None, claim.blocks)
        return
    start, began = Start(claim), time.monotonic()
    with _tagging(", ".join(names)):
        try:
            yield start
        except BaseException as error:
            with suppress(GanlibError):  # the error that ended it counts
                lasting = isinstance(error, Exception) and not isinstance(error, Interrupted | Unavailable)
                state: ClaimState = "failed" if lasting else "stopped"
                claims.end(claim, state, f"{type(error).__name__}: {error}", time.monotonic() - began)
            raise
    claims.end(claim, "done", start.detail, time.monotonic() - began)


@contextmanager
def _tagging(cause: str) -> Iterator[None]:
    before = os.environ.get(CAUSE_VARIABLE)
    os.environ[CAUSE_VARIABLE] = cause
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(CAUSE_VARIABLE, None)
        else:
            os.environ[CAUSE_VARIABLE] = before
