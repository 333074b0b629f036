"""What people are told besides decisions: a retraining of the schedule that is late, drift, and runs that failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ganlib.config import Params
from ganlib.core.files import sha256_bytes
from ganlib.core.project import Project
from ganlib.jobs.prefect_server import PrefectServer, server_of
from ganlib.jobs.triggers.look import situation
from ganlib.jobs.triggers.plan import RetrainPlan, plan
from ganlib.jobs.triggers.schedule import late
from ganlib.jobs.triggers.situation import Situation
from ganlib.registry.entries import stamp
from ganlib.registry.notice import Message, Receiver
from ganlib.tracking.claims import Claims

LATE, DRIFT, FAILURE = "retraining.late", "model.drifted", "run.failed"
"""Types of the messages."""
_QUIET = ("reconcile",)
"""Flows whose failed runs the ledger tells of."""


def alarms(state: Situation, ahead: RetrainPlan) -> Iterator[Message]:
    """What is to be told of the plan ``ahead``: that the schedule's retraining is late, and what drifts.

    It is not late if it is under way, or would do again what was done. Drift is told once for a champion and a data
    version, whatever drifts.
    """
    reasons = {cause.name: cause.reason for cause in ahead.causes}
    if ahead.due and "schedule" in reasons and (words := late(state)):
        yield _message(state, LATE, words.partition(" was not ")[0], words)
    if "drift" in reasons and state.champion:
        occasion = f"version {state.champion.version} on data version {state.data_version}"
        yield _message(state, DRIFT, occasion, reasons["drift"])


def _message(state: Situation, kind: str, occasion: str, words: str) -> Message:
    model = state.params.registry.model
    return Message(
        id=sha256_bytes(f"{model}\n{occasion}".encode()),
        type=kind,
        time=stamp(state.now),
        data={"model": model, "reason": words},
        subject=f"{model}: {words}",
        text="What would be retrained now, and why: ganlib retrain --plan",
    )


def tell(state: Situation, message: Message, receiver: Receiver) -> str | None:
    """Tell ``receiver`` of it, unless that was the last thing of its type that it heard.

    Returns:
        Why it did not arrive; it is sent again the next time. None: it did, or had before.

    Raises:
        Unavailable: MLflow does not answer.
    """
    claims, label = Claims(state.store, state.params.registry.model), f"{message.type}.{receiver.key}"
    if claims.note(label) == message.id:
        return None
    problem = receiver.send(message)
    if problem is None:
        claims.put_note(label, message.id)
    return problem


def tell_failures(state: Situation, receiver: Receiver) -> str | None:
    """Tell ``receiver`` of the runs of flows that failed or crashed since it was last told, oldest first.

    A receiver that is new hears of what fails from now on. Returns and raises as :func:`tell`, also
    :class:`Unavailable` where Prefect does not answer.
    """
    server = server_of(state.project)
    if server is None:
        return None
    claims, label = Claims(state.store, state.params.registry.model), f"{FAILURE}.{receiver.key}"
    last = claims.note(label)
    if last is None:
        claims.put_note(label, stamp(state.now))
        return None
    for place, message in _failures(server, state.params.registry.model, last):
        if problem := receiver.send(message):
            return problem
        claims.put_note(label, place)
    return None


def _failures(server: PrefectServer, model: str, last: str) -> Iterator[tuple[str, Message]]:
    """Runs that failed after ``last``, each with its place: when it ended, and its id."""
    query = {
        "tags": {"all_": ["ganlib"]},
        "state": {"type": {"any_": ["FAILED", "CRASHED"]}},
        "end_time": {"after_": last.partition(" ")[0]},
    }
    runs = server.rows("flow_runs", {"flow_runs": query})
    places = {f"{stamp(datetime.fromisoformat(run['end_time']))} {run['id']}": run for run in runs}
    news = {place: run for place, run in sorted(places.items()) if place > last}
    flows = {flow["id"]: str(flow["name"]) for flow in server.rows("flows", {})} if news else {}
    for place, run in news.items():
        flow = flows.get(run["flow_id"], "unknown")
        if flow in _QUIET:
            continue
        url = f"{server.url.removesuffix('/api')}/runs/flow-run/{run['id']}"
        reason = str((run.get("state") or {}).get("message") or "it does not say why")
        words = f"the run {run['name']!r} of {flow} has {str(run['state_name']).lower()}"
        yield (
            place,
            Message(
                id=sha256_bytes(place.encode()),
                type=FAILURE,
                time=place.partition(" ")[0],
                data={"model": model, "flow": flow, "run": run["name"], "id": run["id"], "reason": reason, "url": url},
                subject=f"{model}: {words}",
                text=f"{reason}\n{url}",
            ),
        )


def tell_all(project: Project, params: Params, receiver: Receiver) -> str | None:
    """Look what there is to tell, and tell ``receiver``. Returns and raises as :func:`tell_failures`."""
    state = situation(project, params)
    for message in alarms(state, plan(project, params, state=state)):
        if problem := tell(state, message, receiver):
            return problem
    return tell_failures(state, receiver)
