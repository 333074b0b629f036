"""What Prefect's server has of runs, asked over its REST interface: those that wait and work, and those that ended."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

from ganlib import config
from ganlib.core import processes
from ganlib.core.errors import Unavailable
from ganlib.core.project import Project
from ganlib.core.record import Record

RETRAIN = "retrain"
"""The flow whose runs are told by their causes."""
CAUSE = "cause:"
"""Begins the tags of a run that say why it was started."""
BY_HAND = "hand"
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_OPEN = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")
_PAGE = 200  # the most that the server gives at once
_TIMEOUT = (3, 10)  # seconds to connect, seconds until the answer


class PrefectServer(NamedTuple):
    """Where it is, and how it is asked."""

    url: str
    login: str | None
    """``user:password``."""


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


def server_of(project: Project) -> PrefectServer | None:
    """Return the server that commands of ``project`` would use; None: they would start one of their own."""
    entry = _service(project)
    own = f"{entry['url']}/api" if entry else None
    teams = config.servers(project).prefect
    url = os.environ.get("PREFECT_API_URL") or teams or own
    if url is None:
        return None
    login = os.environ.get("PREFECT_API_AUTH_STRING") or os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    if url.replace("//localhost:", "//127.0.0.1:") in (own, teams):  # a stranger is not told our password
        with suppress(OSError):
            login = (project.state / "prefect-auth").read_text(encoding="utf-8").strip() or login
    return PrefectServer(url.rstrip("/"), login)


def counts(server: PrefectServer) -> FlowRunCounts:
    """Ask ``server`` for all of it.

    Raises:
        Unavailable: it does not answer, or refuses.
    """
    names = {flow["id"]: str(flow["name"]) for flow in _pages(server, "flows", {})}
    waiting: Counter[tuple[str, str]] = Counter({(name, "late"): 0 for name in names.values()})
    waiting.update({(name, "running"): 0 for name in names.values()})
    for run in _pages(server, "flow_runs", _of_states(*_OPEN)):
        waiting[names.get(run["flow_id"], "unknown"), str(run["state_name"]).lower()] += 1
    outcomes, successes = {}, {}
    for identity, name in names.items():
        only = {"flows": {"id": {"any_": [identity]}}}
        for state in FINAL:
            outcomes[name, state.lower()] = int(_ask(server, "flow_runs/count", {**only, **_of_states(state)}))
        newest = {**only, **_of_states("COMPLETED"), "sort": "END_TIME_DESC", "limit": 1}
        for run in _ask(server, "flow_runs/filter", newest):
            successes[name] = datetime.fromisoformat(str(run["end_time"])).timestamp()
    return FlowRunCounts(
        waiting=dict(waiting), outcomes=outcomes, retrainings=_retrainings(server), successes=successes
    )


def _retrainings(server: PrefectServer) -> dict[tuple[str, str], int]:
    totals: Counter[tuple[str, str]] = Counter({(BY_HAND, state.lower()): 0 for state in FINAL})
    for run in _pages(server, "flow_runs", {"flows": {"name": {"any_": [RETRAIN]}}, **_of_states(*FINAL)}):
        causes = sorted(tag.removeprefix(CAUSE) for tag in run["tags"] if tag.startswith(CAUSE))
        totals["+".join(causes) or BY_HAND, str(run["state_type"]).lower()] += 1
    return dict(totals)


def _of_states(*types: str) -> dict[str, Any]:
    return {"flow_runs": {"state": {"type": {"any_": list(types)}}}}


def _pages(server: PrefectServer, kind: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for offset in count(0, _PAGE):
        page = _ask(server, f"{kind}/filter", {**query, "limit": _PAGE, "offset": offset})
        yield from page
        if len(page) < _PAGE:
            return


def _ask(server: PrefectServer, path: str, query: dict[str, Any]) -> Any:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    # Its SQLite database answers 503 while it is locked, and its own client tries again.
    again = Retry(3, connect=0, read=0, status_forcelist=(503,), allowed_methods=None, backoff_factor=0.3)
    login = tuple(server.login.split(":", 1)) if server.login and ":" in server.login else None
    try:
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=again))
            session.mount("https://", HTTPAdapter(max_retries=again))
            answer = session.post(f"{server.url}/{path}", json=query, auth=login, timeout=_TIMEOUT)  # type: ignore[arg-type]
        answer.raise_for_status()
        return answer.json()
    except (requests.RequestException, ValueError) as error:
        code = getattr(getattr(error, "response", None), "status_code", None)
        what = f"answers {code}" if code else f"does not answer ({type(error).__name__})"
        raise Unavailable(f"Prefect at {server.url} {what}.") from error


def _service(project: Project) -> dict[str, Any] | None:
    """What `make up` has noted of its Prefect, if that runs."""
    try:
        entry: dict[str, Any] = json.loads((project.state / "services.json").read_text(encoding="utf-8"))["prefect"]
        return entry if project.began(entry) and processes.find(entry) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
