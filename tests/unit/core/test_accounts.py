"""A process has a name and a home to write to, and what the user has stays."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from ganlib.core import accounts
from tests import factories

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of a project around, in an environment that says nothing; the number has no name."""
    import pwd

    def nobody(_number: int) -> None:
        raise KeyError("uid not found")

    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    made = factories.project(tmp_path / "project")
    monkeypatch.setenv("GANLIB_ROOT", str(made.root))
    return made.state


def test_who_has_no_name_is_called_by_the_number_and_lives_in_the_state_folder(project: Path) -> None:
    accounts.set_defaults()
    accounts.set_defaults()
    assert getpass.getuser() == accounts.user() == str(os.getuid())
    assert Path.home() == project / "home"
    assert Path(os.environ["XDG_CACHE_HOME"]).is_relative_to(Path.home())


def test_a_home_that_can_be_written_to_stays_and_so_do_name_and_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOME": str(tmp_path), "USER": "ada", "LOGNAME": "ada"}.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    accounts.set_defaults()
    assert dict(os.environ) == before


def test_a_home_that_can_only_be_read_stays_for_its_credentials_and_caches_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MPLCONFIGDIR", "/mine")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    accounts.set_defaults()
    assert os.environ["HOME"] == str(tmp_path)
    assert Path(os.environ["XDG_CACHE_HOME"]).is_relative_to(project)
    assert os.environ["MPLCONFIGDIR"] == "/mine"


@pytest.mark.parametrize("gone", ["/nonexistent", "/proc/version"])
def test_a_home_that_is_none_is_replaced(monkeypatch: pytest.MonkeyPatch, project: Path, gone: str) -> None:
    monkeypatch.setenv("HOME", gone)
    accounts.set_defaults()
    assert Path.home() == project / "home"


def test_outside_a_project_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANLIB_ROOT", str(tmp_path / "nowhere"))
    before = sorted(tmp_path.rglob("*"))
    accounts.set_defaults()
    assert "HOME" not in os.environ
    assert sorted(tmp_path.rglob("*")) == before
