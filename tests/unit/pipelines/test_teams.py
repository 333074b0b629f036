"""A server of somebody else's: another version, another program, a wrong login, or nobody there, is one line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import prefect
import pytest

from ganlib.config import ServicesConfig
from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.project import Project
from tests import factories
from tests.services.conftest import free_port


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return factories.project(tmp_path / "project")


@contextmanager
def server(status: int, body: str) -> Iterator[str]:
    """The URL of an API whose server says ``body`` when it is asked for its version."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{made.server_port}/api"
        finally:
            made.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("theirs", "good"), [("3.8.8", True), ("3.8.1", True), ("3.9.0", True), ("3.7.9", False), ("4.0.0", False)]
)
def test_a_server_is_of_our_release_or_a_later_one_of_the_same_major_version(
    flows: SimpleNamespace, theirs: str, good: bool
) -> None:
    def fits() -> bool:
        try:
            flows.teams.require_version("Prefect", "https://prefect.example/api", theirs, "3.8.8")
        except BadInput as error:
            assert f"https://prefect.example/api is version {theirs}, and this project has 3.8.8" in str(error)  # noqa: PT017
            return False
        return True

    assert fits() is good


def test_the_prefect_of_a_team_is_looked_at_before_anything_is_started(
    flows: SimpleNamespace, project: Project
) -> None:
    def require(url: str) -> None:
        flows.teams.require(project, ServicesConfig(prefect=url))

    with server(200, f'"{prefect.__version__}"') as url:
        require(url)
    with server(200, '"2.20.3"') as url, pytest.raises(BadInput, match=r"is version 2\.20\.3, .*Nothing was started"):
        require(url)
    with server(200, "<html>") as url, pytest.raises(BadInput, match="does not say its version: is it Prefect"):
        require(url)
    with server(401, "") as url, pytest.raises(BadInput, match=r"refuses this login \(401\).*prefect-auth"):
        require(url)
    with server(503, "") as url, pytest.raises(Unavailable, match="answers 503"):
        require(url)
    with pytest.raises(Unavailable, match="does not answer"):
        require(f"http://127.0.0.1:{free_port()}/api")


def test_where_the_flows_look_is_the_teams_before_ours(flows: SimpleNamespace) -> None:
    ours = {"mlflow": {"url": "http://127.0.0.1:1"}, "prefect": {"url": "http://127.0.0.1:2"}}
    team = ServicesConfig(mlflow="https://mlflow.example")
    assert flows.teams.addresses(team, ours) == ("https://mlflow.example", "http://127.0.0.1:2/api")
    assert flows.teams.apis(team, {}) == {"mlflow": "https://mlflow.example"}
