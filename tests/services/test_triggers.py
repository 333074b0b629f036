"""Two machines that see five causes at once: one retraining, that names five. Real commands, a real training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganlib.core.project import Project
from ganlib.jobs.triggers.look import TRIGGERS
from ganlib.tracking.claims import Claims
from ganlib.tracking.store import connect
from tests.services import project as projects
from tests.support.forks import Command

pytestmark = [pytest.mark.services, pytest.mark.slow]

FIVE = [name for name in TRIGGERS if name != "images"]
GO = ["ganlib", "retrain", "--go", "--no-prefect", "--families", "vae", *(f"--cause={name}" for name in FIVE)]


def test_two_machines_that_see_five_causes_start_one_retraining_that_names_five(tmp_path: Path) -> None:
    folders = [projects.make(tmp_path / name) for name in ("one", "two")]
    uri = f"sqlite:///{tmp_path / 'one' / 'mlflow.db'}"
    machines = [
        Command([*GO, "--json"], folder, projects.environment(folder) | {"MLFLOW_TRACKING_URI": uri})
        for folder in folders
    ]
    told = [machine.communicate(900) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], told
    outcomes = [json.loads(output) for output, _ in told]
    (trained,) = [each for each in outcomes if each.get("result")]
    (other,) = [each for each in outcomes if not each.get("result")]
    assert "the same data, settings and code " in other["why_not"]
    assert [cause["name"] for cause in trained["causes"]] == FIVE
    store = connect(Project(folders[0]), uri)
    (standing,) = Claims(store, "mnist-generator").read()
    assert standing.claim.causes == tuple(FIVE)
    assert standing.outcome
    assert standing.outcome.detail.startswith("version 1 promoted")
    ids = [one.experiment_id for one in store.client.search_experiments(filter_string="name = 'mnist-generators'")]
    tags = [run.data.tags.get("cause") for run in store.client.search_runs(ids)]
    assert tags == [", ".join(FIVE)]
    again = projects.run(folders[1], *GO, MLFLOW_TRACKING_URI=uri)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.splitlines()[-1].startswith("nothing to do: the same data, settings and code were retrained at")
    assert ": version 1 promoted" in again.stdout
    unknown = projects.run(folders[1], "ganlib", "retrain", "--plan", "--cause", "shedule", MLFLOW_TRACKING_URI=uri)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "unknown cause 'shedule'. Did you mean 'schedule'?" in unknown.stderr
