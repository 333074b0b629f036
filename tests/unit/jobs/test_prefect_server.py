"""Which Prefect a project uses, and with which password; what it answers is in observation/test_prefect.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganlib.core import processes
from ganlib.core.project import Project
from ganlib.jobs.prefect_server import PrefectServer, server_of
from tests import factories


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    return factories.project(tmp_path / "project")


def test_without_a_server_there_is_none_to_ask(project: Project) -> None:
    assert server_of(project) is None


def test_ours_is_asked_with_our_password_and_a_strangers_without(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.state.mkdir(parents=True)
    entry = {"url": "http://127.0.0.1:4242", "root": str(project.root), **processes.identity()._asdict()}
    (project.state / "services.json").write_text(json.dumps({"prefect": entry}))
    (project.state / "prefect-auth").write_text("ada:secret\n")
    assert server_of(project) == PrefectServer("http://127.0.0.1:4242/api", "ada:secret")
    monkeypatch.setenv("PREFECT_API_URL", "http://localhost:4242/api")
    assert server_of(project) == PrefectServer("http://localhost:4242/api", "ada:secret")
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example/api")
    assert server_of(project) == PrefectServer("https://prefect.example/api", None)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "theirs:word")
    assert server_of(project) == PrefectServer("https://prefect.example/api", "theirs:word")


def test_a_teams_server_is_that_of_the_settings_and_is_told_the_password_for_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.state.mkdir(parents=True)
    (project.state / "prefect-auth").write_text("ada:secret\n")
    monkeypatch.setenv("GANLIB_SERVICES_PREFECT", "https://prefect.example/api")
    assert server_of(project) == PrefectServer("https://prefect.example/api", "ada:secret")
    monkeypatch.setenv("PREFECT_API_URL", "https://another.example/api")
    assert server_of(project) == PrefectServer("https://another.example/api", None)
