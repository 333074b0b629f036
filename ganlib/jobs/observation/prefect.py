"""What Prefect's server has of runs: those that wait and work, and those that ended."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from ganlib.core.record import Record
from ganlib.jobs.prefect_server import PrefectServer

RETRAIN = "retrain"
"""The flow whose runs are told by their causes."""
CAUSE = "cause:"
"""Begins the tags of a run that say why it was started."""
BY_HAND = "hand"
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_OPEN = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")


class FlowRunCounts(Record):
    """Numbers of runs; each flow that the server knows is in all of them but the last two."""

    waiting: dict[tuple[str, str], int]
    """By flow and state: scheduled, late, pending, running and so on."""
    outcomes: dict[tuple[str, str], int]
    """By flow and outcome: completed, failed, crashed, cancelled."""
    retrainings: dict[tuple[str, str], int]
    """By cause (several with a plus sign) and outcome."""
    successes: dict[str, float]
    """When the last run that succeeded ended, by flow: Unix time."""


def counts(server: PrefectServer) -> FlowRunCounts:
    """Ask ``server`` for all of it.

    Raises:
        Unavailable: it does not answer, or refuses.
    """
    names = {flow["id"]: str(flow["name"]) for flow in server.rows("flows", {})}
    waiting: Counter[tuple[str, str]] = Counter({(name, "late"): 0 for name in names.values()})
    waiting.update({(name, "running"): 0 for name in names.values()})
    for run in server.rows("flow_runs", _of_states(*_OPEN)):
        waiting[names.get(run["flow_id"], "unknown"), str(run["state_name"]).lower()] += 1
    outcomes, successes = {}, {}
    for identity, name in names.items():
        only = {"flows": {"id": {"any_": [identity]}}}
        for state in FINAL:
            outcomes[name, state.lower()] = int(server.ask("flow_runs/count", {**only, **_of_states(state)}))
        newest = {**only, **_of_states("COMPLETED"), "sort": "END_TIME_DESC", "limit": 1}
        for run in server.ask("flow_runs/filter", newest):
            successes[name] = datetime.fromisoformat(str(run["end_time"])).timestamp()
    return FlowRunCounts(
        waiting=dict(waiting), outcomes=outcomes, retrainings=_retrainings(server), successes=successes
    )


def _retrainings(server: PrefectServer) -> dict[tuple[str, str], int]:
    totals: Counter[tuple[str, str]] = Counter({(BY_HAND, state.lower()): 0 for state in FINAL})
    for run in server.rows("flow_runs", {"flows": {"name": {"any_": [RETRAIN]}}, **_of_states(*FINAL)}):
        causes = sorted(tag.removeprefix(CAUSE) for tag in run["tags"] if tag.startswith(CAUSE))
        totals["+".join(causes) or BY_HAND, str(run["state_type"]).lower()] += 1
    return dict(totals)


def _of_states(*types: str) -> dict[str, Any]:
    return {"flow_runs": {"state": {"type": {"any_": list(types)}}}}
