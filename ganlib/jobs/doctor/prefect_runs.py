"""Runs that Prefect's server shows as running and that nobody works on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ganlib.core.errors import Unavailable
from ganlib.core.processes import is_dead
from ganlib.jobs.doctor.finding import HealthFinding
from ganlib.jobs.prefect_server import PrefectServer

_SUBJECT = "Prefect's runs"
_TAGS = {"all_": ["ganlib"]}
_ALIVE = {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}
SETTLING = timedelta(seconds=60)
"""After the end of a run, in which its tasks may still tell their own."""


def ghosts(server: PrefectServer, *, fix: bool) -> Iterator[HealthFinding]:
    """Look for runs of killed processes of this machine, and for tasks that outlived their run; ``fix`` ends them."""
    try:
        runs = list(server.rows("flow_runs", {"flow_runs": {"tags": _TAGS, "state": _ALIVE}}))
        dead = [("flow_runs", run) for run in runs if any(is_dead(tag) for tag in run["tags"])]
        earlier = (datetime.now(UTC) - SETTLING).isoformat()
        over = {"tags": _TAGS, "end_time": {"before_": earlier}}
        tasks = list(server.rows("task_runs", {"flow_runs": over, "task_runs": {"state": _ALIVE}}))
        dead += [("task_runs", task) for task in tasks]
        for kind, each in dead if fix else ():
            state = {"type": "CRASHED", "message": "its process was killed"}
            server.ask(f"{kind}/{each['id']}/set_state", {"state": state, "force": True})
    except Unavailable as error:
        words = f"cannot be looked at: {error}"
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
