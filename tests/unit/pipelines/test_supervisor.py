"""Services that are killed come again, after pauses that grow; logs stay small; an outage is two lines."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from ganlib.config import ServicesConfig
from ganlib.core.errors import Unavailable
from ganlib.core.progress import Report, silent
from tests import factories
from tests.services.conftest import free_port

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


class House:
    """A project with one service, which can be kept from starting, and a clock that is set by hand."""

    def __init__(self, folder: Path, flows: SimpleNamespace) -> None:
        self.project = factories.project(folder)
        self.flows, self.now, self.fault = flows, 1000.0, ""
        self.supervisor = flows.supervisor.Supervisor(self.project, ServicesConfig(), clock=lambda: self.now)

    def begin(self, report: Report) -> dict[str, Any]:
        if self.fault:
            raise Unavailable(self.fault)
        return dict(self.flows.children.spawn(self.project, "deployments", SLEEPER, {}) | {"url": ""})

    @property
    def process(self) -> psutil.Process | None:
        alive = self.flows.children.running(self.project)
        return psutil.Process(alive["deployments"]["pid"]) if alive else None

    def kill(self) -> None:
        process = self.process
        assert process
        process.kill()
        process.wait(60)

    def look(self, seconds: float) -> bool:
        """Whether the service runs after a look so much later."""
        self.now += seconds
        self.supervisor.look()
        return self.process is not None


@pytest.fixture
def house(tmp_path: Path, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made = House(tmp_path / "project", flows)
    monkeypatch.setattr(flows.services, "starters", lambda *_: {"deployments": made.begin})
    flows.services.start(made.project, ServicesConfig(), silent)
    yield made
    flows.services.stop(made.project)


def test_what_is_killed_is_started_again_with_growing_pauses_and_told_twice(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.kill()
    assert house.look(1), "at once"
    house.kill()
    assert not house.look(1)
    assert house.look(1), "two seconds after"
    house.kill()
    assert not house.look(3)
    assert house.look(1), "four"
    assert house.look(61)
    house.kill()
    assert house.look(1), "at once, as it held for a minute"
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition("(")[0].partition(" after")[0] for line in lines] == [
        "deployments: ended ",
        "deployments: back",
    ] * 4


def test_what_cannot_be_started_is_told_once_and_tried_on(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.kill()
    house.fault = "port 5050 is taken by another."
    assert not any(house.look(64) for _ in range(5))
    house.fault = ""
    assert house.look(64)
    started, reason, back = (record.getMessage() for record in caplog.records)
    assert started.startswith("deployments: ended (pid ")
    assert reason == "port 5050 is taken by another. It is tried again, at the latest every 60 s."
    assert back.startswith("deployments: back after ")


def test_down_ends_the_supervisor_first_and_what_it_has_started(house: House, flows: SimpleNamespace) -> None:
    state = flows.children.running(house.project)
    state["supervisor"] = flows.children.spawn(house.project, "supervisor", SLEEPER, {})
    flows.children.record(house.project, state)
    assert flows.services.stop(house.project) == ["supervisor", "deployments"]
    assert house.process is None


@contextmanager
def healthy(port: int) -> Iterator[None]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_a_teams_server_that_is_away_is_two_lines(
    tmp_path: Path, flows: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    port, project = free_port(), factories.project(tmp_path / "project")
    url = f"http://127.0.0.1:{port}/api"
    supervisor = flows.supervisor.Supervisor(project, ServicesConfig(prefect=url))
    with healthy(port):
        supervisor.look()
    supervisor.look()  # one answer that is missing, on a busy machine, is no outage
    with healthy(port):
        supervisor.look()
    assert not caplog.records
    for _ in range(10):
        supervisor.look()
    with healthy(port):
        supervisor.look()
    away, back = (record.getMessage() for record in caplog.records)
    assert away == f"prefect: {url} does not answer"
    assert back.startswith("prefect: back after ")


def test_logs_are_put_aside_and_a_few_are_kept(tmp_path: Path, flows: SimpleNamespace) -> None:
    log = tmp_path / "mlflow.log"
    (tmp_path / "prefect.log").write_bytes(b"little")
    with log.open("ab", buffering=0) as stream:  # as the service has it
        for number in range(6):
            stream.write(b"%d" % number * 11)
            flows.supervisor.rotate(tmp_path, most=10, copies=3)
        stream.write(b"after")
    assert {path.name: path.read_bytes()[:5] for path in tmp_path.iterdir()} == {
        "mlflow.log": b"after",
        "mlflow.log.1": b"55555",
        "mlflow.log.2": b"44444",
        "mlflow.log.3": b"33333",
        "prefect.log": b"littl",
    }
