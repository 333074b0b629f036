"""All looks together, by the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganlib.cli import app
from ganlib.jobs.doctor.doctor import CHECKS
from tests import factories


def test_the_command_looks_at_everything_though_some_of_it_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = factories.project(tmp_path / "project")
    project.params_file.write_text("train: {budgte: demo}")
    monkeypatch.chdir(project.root)
    monkeypatch.delenv("GANLIB_ROOT", raising=False)
    done = CliRunner().invoke(app, ["doctor", "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)["findings"]
    assert done.exit_code == 1
    assert {each["subject"] for each in found if each["state"] == "problem"} >= {"params.yaml", "data"}
    assert {each["subject"] for each in found} >= CHECKS.keys() - {"services"}
    text = CliRunner().invoke(app, ["doctor"], catch_exceptions=False).stdout
    assert "!  params.yaml" in text
    assert "-> ganlib data version" in text
