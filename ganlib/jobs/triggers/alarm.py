"""Tell the webhook that a retraining of the schedule is late: once for each time of the schedule."""

from __future__ import annotations

import time

from ganlib.config import Params
from ganlib.core.files import json_bytes, sha256_bytes
from ganlib.core.project import Project
from ganlib.jobs.triggers.look import situation
from ganlib.jobs.triggers.plan import RetrainPlan, plan
from ganlib.jobs.triggers.schedule import late
from ganlib.jobs.triggers.situation import Situation
from ganlib.registry import notice
from ganlib.registry.entries import stamp
from ganlib.tracking.claims import Claims

TYPE = "retraining.late"
"""Of the message."""


def alarm(state: Situation, ahead: RetrainPlan) -> str | None:
    """Say that the schedule's retraining is late; None if it is not, is under way, or would do again what was done."""
    return late(state) if ahead.due and any(cause.name == "schedule" for cause in ahead.causes) else None


def tell_late(project: Project, params: Params) -> str | None:
    """Look whether the schedule's retraining is late, and :func:`send` that if so. Returns and raises as that does."""
    state = situation(project, params)
    words = alarm(state, plan(project, params, state=state))
    return send(state, words) if words else None


def send(state: Situation, words: str) -> str | None:
    """Send ``words`` to ``services.webhook``, signed as entries of the ledger are, unless it has heard of that time.

    Returns:
        Why it did not arrive; it is sent again the next time. None: it did, it had before, or there is no webhook.

    Raises:
        BadInput: there is no secret to sign with.
        Unavailable: MLflow does not answer.
    """
    url, model = state.params.services.webhook, state.params.registry.model
    if url is None:
        return None
    secret, claims = notice.key(), Claims(state.store, model)
    label = f"{TYPE}.{sha256_bytes(url.encode())[:16]}"
    occasion = words.partition(" was not ")[0]  # which of the schedule's times it is about
    if claims.note(label) == occasion:
        return None
    content = json_bytes({"type": TYPE, "timestamp": stamp(state.now), "data": {"model": model, "reason": words}})
    identity = sha256_bytes(f"{model}\n{occasion}".encode())
    problem = notice.post(url, content, notice.headers(identity, int(time.time()), content, secret))
    if problem is None:
        claims.put_note(label, occasion)
    return problem
