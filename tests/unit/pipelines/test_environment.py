"""What a process of ours sets for Prefect, and that importing the package sets nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganlib.core import processes
from ganlib.core.files import write_bytes, write_json
from ganlib.core.project import Project
from pipelines.environment import LOGIN_FILE, prepare
from tests import factories
from tests.conftest import OWN, ROOT

URL = "http://127.0.0.1:4299"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a password, whose `make up` has started this very process as Prefect's server."""
    made = factories.project(tmp_path)
    variables = {name: value for name, value in os.environ.items() if name not in OWN}
    monkeypatch.setattr(os, "environ", variables | {"GANLIB_ROOT": str(tmp_path)})
    write_bytes(made.state / LOGIN_FILE, b"ada:secret\n")
    write_json(
        made.state / "services.json",
        {"prefect": {**processes.identity()._asdict(), "url": URL, "root": str(made.root)}},
    )
    return made


def test_importing_the_package_and_its_environment_changes_no_variable() -> None:
    code = "import os; before = dict(os.environ); import pipelines.environment; print(before == dict(os.environ))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_the_server_of_make_up_and_its_password_are_set(project: Project) -> None:
    prepare()
    assert os.environ["PREFECT_API_URL"] == f"{URL}/api"
    assert os.environ["PREFECT_API_AUTH_STRING"] == "ada:secret"
    assert os.environ["PREFECT_HOME"] == str(project.state / "prefect")
    assert (project.state / "prefect").is_dir()


def test_a_server_that_runs_no_more_is_not_set(project: Project) -> None:
    write_json(project.state / "services.json", {"prefect": {"pid": 2**22 + 1, "url": URL}})
    prepare()
    assert "PREFECT_API_URL" not in os.environ


def test_the_teams_server_is_used_rather_than_ours_with_the_login_of_the_file(project: Project) -> None:
    os.environ["GANLIB_SERVICES_PREFECT"] = "https://prefect.example/api"
    prepare()
    assert os.environ["PREFECT_API_URL"] == "https://prefect.example/api"
    assert os.environ["PREFECT_API_AUTH_STRING"] == "ada:secret"


@pytest.mark.parametrize("own", ["PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL"])
def test_prefects_database_is_the_one_that_is_configured_unless_prefects_own_variable_is_set(
    project: Project, own: str
) -> None:
    os.environ["GANLIB_SERVICES_DATABASE"] = "postgresql://ann@db.example"
    os.environ[own] = "sqlite+aiosqlite:////tmp/own.db"
    prepare()
    assert [os.environ[name] for name in os.environ if "_DATABASE_" in name] == ["sqlite+aiosqlite:////tmp/own.db"]
    del os.environ[own]
    prepare()
    assert os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == "postgresql+asyncpg://ann@db.example/prefect"


def test_settings_that_cannot_be_read_are_left_to_the_command_to_tell(project: Project) -> None:
    os.environ["GANLIB_SERVICES_PREFECT"] = "no URL"
    prepare()
    assert os.environ["PREFECT_API_URL"] == f"{URL}/api"


def test_a_secrets_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    variables = {**os.environ, "PREFECT_API_AUTH_STRING_FILE": "/nowhere/secret"}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "services", "status"],
        cwd=ROOT, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "PREFECT_API_AUTH_STRING_FILE: cannot read /nowhere/secret" in done.stderr


def test_what_the_user_has_set_stays_and_a_stranger_is_not_told_the_password(project: Project, tmp_path: Path) -> None:
    os.environ |= {"PREFECT_API_URL": "http://stranger.example/api", "PREFECT_HOME": str(tmp_path / "mine")}
    prepare()
    assert os.environ["PREFECT_API_URL"] == "http://stranger.example/api"
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "mine")
    assert "PREFECT_API_AUTH_STRING" not in os.environ


def test_a_command_that_there_is_not_is_one_line_with_the_nearest(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "retrian"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [done.stderr.strip()]
    assert "Did you mean 'retrain'?" in done.stderr
