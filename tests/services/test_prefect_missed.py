"""Planned runs that nobody was there to start: a machine that was off for weeks, without `make down`."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.services import project as projects
from tests.support.forks import Command

pytestmark = [pytest.mark.services, pytest.mark.slow]

ARRANGE = """
from datetime import UTC, datetime, timedelta
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Scheduled

@flow
def planned(): ...

with get_client(sync_client=True) as client:
    for name in ("weekly", "hourly"):
        deployment = client.create_deployment(client.create_flow(planned), name)
        for days in (-21, -14, -7, 7):
            planned_for = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(days=days))
            client.create_flow_run_from_deployment(deployment, name=f"{name} {days}", state=planned_for)
        asked_for = Scheduled(scheduled_time=datetime.now(UTC) - timedelta(days=9))
        client.create_flow_run_from_deployment(deployment, name=f"{name} by hand", state=asked_for)
"""
ACT = "import json; from pipelines.serve import drop_missed; print(json.dumps(drop_missed()))"


def test_of_the_planned_runs_that_were_missed_only_the_latest_is_made_up_for(tmp_path: Path) -> None:
    folder = projects.make(tmp_path / "project")
    environment = projects.environment(folder) | {"PREFECT_HOME": str(tmp_path / "prefect")}
    serve = (
        "import sys; from pathlib import Path; from pipelines.temporary import start; "
        "print(start(Path('server.log'), 300), flush=True); sys.stdin.read()"
    )
    shutil.copytree(projects.empty_prefect(), tmp_path / "prefect")
    server = Command(["tests.support.code", serve], folder, environment, typed=True)
    environment["PREFECT_API_URL"] = server.stdout.readline().strip()

    def run(code: str) -> str:
        return projects.run_code(folder, code, **environment)

    def names() -> set[str]:
        return {name for (name,) in database.execute("SELECT name FROM flow_run")}

    try:
        run(ARRANGE)
        with sqlite3.connect(tmp_path / "prefect" / "prefect.db", timeout=120) as database:
            database.execute("UPDATE flow_run SET auto_scheduled = 1 WHERE name NOT LIKE '%hand'")
            database.commit()
            before = names()
            expected = {f"{name} {days}" for name in ("weekly", "hourly") for days in (-21, -14)}
            assert set(json.loads(run(ACT))) == expected
            assert names() == before - expected
    finally:
        server.kill()
        server.communicate(300)
