"""Runs that Prefect's server shows as running and that nobody works on, by its REST interface."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ganlib.core.processes import is_dead
from ganlib.jobs.doctor.finding import HealthFinding

_SUBJECT = "Prefect's runs"
_TAGS = {"all_": ["ganlib"]}
_ALIVE = {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}
SETTLING = timedelta(seconds=60)
"""After the end of a run, in which its tasks may still tell their own."""


def ghosts(server: str, *, fix: bool) -> Iterator[HealthFinding]:
    """Look for runs of killed processes of this machine, and for tasks that outlived their run; ``fix`` ends them."""
    import requests

    try:
        runs = _ask(server, "flow_runs/filter", {"flow_runs": {"tags": _TAGS, "state": _ALIVE}})
        dead = [("flow_runs", run) for run in runs if any(is_dead(tag) for tag in run["tags"])]
        earlier = (datetime.now(UTC) - SETTLING).isoformat()
        over = {"tags": _TAGS, "end_time": {"before_": earlier}}
        tasks = _ask(server, "task_runs/filter", {"flow_runs": over, "task_runs": {"state": _ALIVE}})
        dead += [("task_runs", task) for task in tasks]
        for kind, each in dead if fix else ():
            state = {"type": "CRASHED", "message": "its process was killed"}
            _ask(server, f"{kind}/{each['id']}/set_state", {"state": state, "force": True})
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        words = f"cannot be looked at ({type(error).__name__})"
        cure = "export PREFECT_API_AUTH_STRING=user:password, if it asks for one"
        yield HealthFinding(subject=_SUBJECT, state="remark", words=words, cure=cure)
        return
    if not dead:
        words = "none was killed and is still shown as running"
        yield HealthFinding(subject=_SUBJECT, state="ok", words=words)
        return
    names = ", ".join(str(each["name"]) for _, each in dead[:5])
    words = f"killed, and still shown as running: {names}{f' and {len(dead) - 5:,} more' if len(dead) > 5 else ''}"
    cure = "ganlib doctor --fix ends them as Crashed"
    yield HealthFinding(subject=_SUBJECT, state="problem", words=words, cure=cure, cured=fix)


def _ask(server: str, path: str, body: dict[str, Any]) -> Any:
    import requests

    user, mark, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
    answer = requests.post(f"{server}/api/{path}", json=body, auth=(user, password) if mark else None, timeout=30)
    answer.raise_for_status()
    return answer.json()
