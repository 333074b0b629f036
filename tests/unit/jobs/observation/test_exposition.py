"""The ways to the metrics, as Prometheus goes them: a server that is asked, and a file that appears whole."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.jobs.observation.exposition import address, write
from tests import factories
from tests.support.forks import Command
from tests.support.prometheus import sample, samples
from tests.unit.cli.test_cli import ganlib, refused


@pytest.fixture(scope="module")
def project(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Nothing has happened in it yet."""
    return factories.project(tmp_path_factory.mktemp("exposed") / "project", empty_database)


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[tuple[Command, str]]:
    """`ganlib metrics --listen` and its URL."""
    words = ["ganlib", "metrics", "--listen", "127.0.0.1:0", "--json"]
    process = Command(words, project.root, dict(os.environ))
    text = ""
    while "}" not in text:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        text += line
    yield process, json.loads(text)["url"]
    process.kill()


def test_each_request_gets_all_metrics_as_they_are(server: tuple[Command, str]) -> None:
    _, url = server
    for _ in range(2):
        answer = requests.get(url, timeout=120)
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert sample(answer.text, "ganlib_service_up", service="mlflow") == 1
        assert sample(answer.text, "ganlib_champion_version", model="mnist-generator") == 0
    assert requests.post(url, timeout=120).status_code == 405


def test_a_port_that_is_taken_is_a_line(server: tuple[Command, str], project: Project) -> None:
    place = server[1].removeprefix("http://").removesuffix("/metrics")
    assert f"cannot listen on {place}: Address already in use" in refused(
        ganlib("metrics", "--listen", place, cwd=project.root)
    )


def test_sigterm_ends_it_in_order(server: tuple[Command, str]) -> None:
    process, url = server
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:9109", ("127.0.0.1", 9109)), (":0", ("127.0.0.1", 0)), ("[::1]:9109", ("::1", 9109))],
)
def test_an_address(text: str, expected: tuple[str, int]) -> None:
    assert address(text) == expected


@pytest.mark.parametrize("text", ["9109", "localhost", "localhost:", "localhost:http", "localhost:70000"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="written as HOST:PORT"):
        address(text)


def test_a_file_is_there_whole_for_another_user_or_as_it_was(project: Project, tmp_path: Path) -> None:
    out, params = tmp_path / "ganlib.prom", load(project.params_file)
    out.write_text("as it was\n")
    write(project, params, out)
    assert samples(out.read_text())
    assert [path.name for path in tmp_path.iterdir()] == ["ganlib.prom"]
    assert out.stat().st_mode & 0o444 == 0o444


def test_a_file_that_node_exporter_would_not_read_is_refused(project: Project, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"end in \.prom"):
        write(project, load(project.params_file), tmp_path / "ganlib.txt")
    assert list(tmp_path.iterdir()) == []


def test_the_verb_writes_and_prints_the_same(project: Project, tmp_path: Path) -> None:
    assert ganlib("metrics", "--out", tmp_path / "g.prom", cwd=project.root).returncode == 0
    shown = ganlib("metrics", cwd=project.root)
    assert samples(shown.stdout).keys() == samples((tmp_path / "g.prom").read_text()).keys()
    assert "choose one" in refused(ganlib("metrics", "--out", "g.prom", "--listen", ":0", cwd=project.root))
