"""Ctrl-C and SIGTERM in the middle of a flow: it ends soon, with all that it started, and says so everywhere."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

import psutil
import pytest
import yaml

from tests.services import project as projects
from tests.support.forks import Command

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = projects.make(tmp_path / "project")
    params = yaml.safe_load((made / "params.yaml").read_text())
    params["budgets"]["long"] = {"steps": 1_000_000, "seconds": 3600}
    params["train"] |= {"budget": "long", "log_every": 1}
    for family in ("dcgan", "vae"):
        params["families"][family] = {"channels": 8, "batch_size": 32}
    (made / "params.yaml").write_text(yaml.safe_dump(params))
    return made


def begin(folder: Path) -> Command:
    """A retraining of two families, in a group of its own as a shell starts it."""
    process = Command(["pipelines", "retrain"], folder, projects.environment(folder), session=True)
    training: set[str] = set()
    for line in process.stderr:
        training |= {family for family in ("dcgan", "vae") if f"train {family}: " in line}
        if len(training) == 2:
            return process
    pytest.fail("both trainings never started")


TRAININGS = "SELECT status FROM runs JOIN tags USING (run_uuid) WHERE tags.key = 'ganlib.family'"


def column(database: Path, query: str) -> set[str]:
    with sqlite3.connect(database) as connection:
        return {row[0] for row in connection.execute(query)}


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_a_stopped_flow_takes_its_trainings_and_its_server_with_it(folder: Path, how: str) -> None:
    process = begin(folder)
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) >= 3  # two trainings and Prefect's temporary server
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to everything in the foreground
    else:
        process.send_signal(signal.SIGTERM)
    try:
        _, error = process.communicate(timeout=900)
    finally:
        process.kill()  # its trainings and its server see that it is gone
    _, alive = psutil.wait_procs(started, timeout=300)
    assert not alive
    assert process.returncode == 130
    assert error.splitlines()[-1].startswith("ganlib: interrupted. Trainings have saved their state")
    assert "Traceback" not in error
    assert column(folder / "mlflow.db", TRAININGS) == {"KILLED"}
    assert column(folder / ".ganlib/prefect/prefect.db", "SELECT state_type FROM flow_run") == {"CRASHED"}
