"""The matrix of oldest and newest, as far as it needs no index; and the pins fit every Python that is allowed."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from ganlib.core.errors import BadInput, GanlibError
from tests.conftest import ROOT
from tools import matrix

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.pins
def test_every_pin_is_for_the_oldest_python_that_is_allowed() -> None:
    oldest = f"{PROJECT['requires-python'].removeprefix('>=')}.0"
    needs = {}
    for name, version in PINS.items():
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        if found.version.partition("+")[0] == version:
            needs[name] = str(found.metadata.get("Requires-Python") or "")
    assert len(needs) > 300
    assert {name: need for name, need in needs.items() if not SpecifierSet(need).contains(oldest)} == {}


def test_a_table_has_a_column_an_environment() -> None:
    versions = dict.fromkeys(matrix.SHOWN, "1.0")
    columns = [matrix.Column(name, versions, "3 passed", "1 failed") for name in ("oldest", "newest")]
    lines = matrix.table(columns, date(2026, 11, 30)).splitlines()
    assert lines[:3] == [
        "|  | oldest, 2026-11-30 | newest, 2026-11-30 |",
        "| --- | --- | --- |",
        "| python | 1.0 | 1.0 |",
    ]
    assert lines[-2:] == ["| fast tests | 3 passed | 3 passed |", "| retrainings | 1 failed | 1 failed |"]


def test_an_environment_that_there_is_not_is_told() -> None:
    with pytest.raises(BadInput, match="there is no environment 'older'"):
        matrix.command(["older"])


def test_what_uv_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "FOLDER", tmp_path)
    monkeypatch.setattr(matrix, "UV", tmp_path / "uv")
    with pytest.raises(BadInput, match="`make matrix` installs it"):
        matrix.build("oldest", "python3")
    matrix.UV.write_text('#!/bin/sh\necho "no such interpreter" >&2\nexit 2\n')
    matrix.UV.chmod(0o755)
    with pytest.raises(GanlibError, match="uv venv --quiet failed: no such interpreter"):
        matrix.build("oldest", "python3")


def test_the_extras_of_the_tests_are_ours() -> None:
    assert {"s3", "dask", "team"} <= set(matrix.extras())
