"""Prefect's REST interface as the metrics ask it; a real server is asked in tests/services/test_prefect_services.py."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from ganlib.core.errors import Unavailable
from ganlib.jobs.observation.prefect import counts
from ganlib.jobs.prefect_server import PrefectServer

FLOWS = [{"id": "f1", "name": "retrain"}, {"id": "f2", "name": "generate"}]


def run(flow: str, state: str, name: str = "", tags: tuple[str, ...] = (), end: str | None = None) -> dict[str, Any]:
    """A flow run, as far as it is asked for."""
    return {
        "flow_id": flow,
        "state_type": state,
        "state_name": name or state.capitalize(),
        "tags": list(tags),
        "end_time": end,
    }


RUNS = [
    *[run("f1", "SCHEDULED") for _ in range(430)],  # more than two pages of what the server gives at once
    run("f1", "SCHEDULED", "Late"),
    run("f2", "RUNNING"),
    run("f1", "COMPLETED", tags=("ganlib", "cause:schedule", "cause:data"), end="2026-11-28T03:00:00Z"),
    run("f1", "COMPLETED", tags=("ganlib",), end="2026-11-29T03:00:00Z"),
    run("f1", "CRASHED", tags=("cause:drift",)),
    run("f2", "FAILED"),
]


class Api(BaseHTTPRequestHandler):
    """Answers as Prefect 3.8 does; with a password, only to who knows it."""

    login: str | None = None
    busy = 0
    """How many requests are answered 503 first."""

    def do_POST(self) -> None:
        if type(self).busy:
            type(self).busy -= 1
            self.send_error(503)
            return
        query = json.loads(self.rfile.read(int(self.headers["content-length"])))
        expected = f"Basic {base64.b64encode(self.login.encode()).decode()}" if self.login else None
        if expected and self.headers.get("authorization") != expected:
            self.send_error(401)
            return
        content = json.dumps(self._answer(self.path.removeprefix("/api/"), query)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, path: str, query: dict[str, Any]) -> Any:
        kind, _, verb = path.partition("/")
        rows: list[dict[str, Any]] = FLOWS if kind == "flows" else RUNS
        only = query.get("flows", {})
        flows = [
            flow["id"]
            for flow in FLOWS
            if flow["id"] in only.get("id", {}).get("any_", [flow["id"]])
            and flow["name"] in only.get("name", {}).get("any_", [flow["name"]])
        ]
        if kind == "flow_runs":
            states = query["flow_runs"]["state"]["type"]["any_"]
            rows = [row for row in rows if row["state_type"] in states and row["flow_id"] in flows]
        if verb == "count":
            return len(rows)
        if query.get("sort") == "END_TIME_DESC":
            rows = sorted(rows, key=lambda row: str(row["end_time"]), reverse=True)
        assert query["limit"] <= 200
        offset = query.get("offset", 0)
        return rows[offset : offset + query["limit"]]

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(login: str | None = None, busy: int = 0) -> Iterator[str]:
    """The URL of such a server."""
    with HTTPServer(("127.0.0.1", 0), type("Api", (Api,), {"login": login, "busy": busy})) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
        server.shutdown()


def test_the_queue_outcomes_causes_and_the_last_success() -> None:
    with serving() as url:
        found = counts(PrefectServer(url, None))
    assert found.waiting == {
        ("retrain", "scheduled"): 430,
        ("retrain", "late"): 1,
        ("retrain", "running"): 0,
        ("generate", "late"): 0,
        ("generate", "running"): 1,
    }
    assert found.outcomes["retrain", "completed"] == 2
    assert found.outcomes["generate", "failed"] == 1
    assert found.outcomes["generate", "crashed"] == 0
    assert {key: count for key, count in found.retrainings.items() if count} == {
        ("data+schedule", "completed"): 1,
        ("hand", "completed"): 1,
        ("drift", "crashed"): 1,
    }
    assert found.successes == {"retrain": 1795921200.0}


def test_a_database_that_is_locked_for_a_moment_is_asked_again() -> None:
    with serving(busy=2) as url:
        assert counts(PrefectServer(url, None)).outcomes["generate", "failed"] == 1


def test_a_server_that_asks_for_a_password_gets_it() -> None:
    with serving("ada:secret") as url:
        assert counts(PrefectServer(url, "ada:secret")).outcomes["retrain", "completed"] == 2
        with pytest.raises(Unavailable, match="answers 401") as refusal:
            counts(PrefectServer(url, "ada:wrong"))
    assert "wrong" not in str(refusal.value)
    with pytest.raises(Unavailable, match="does not answer"):
        counts(PrefectServer("http://127.0.0.1:9/api", None))
