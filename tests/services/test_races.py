"""A dozen rounds of what ``python -m benchmarks.races`` holds two hundred of, on PostgreSQL where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.races import database, mlflow_on, races
from tests import factories


@pytest.mark.services
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_promoters_on_two_machines_stalled_at_random_make_one_winner_each_and_one_chain(tmp_path: Path) -> None:
    machines = (factories.project(tmp_path / "one"), factories.project(tmp_path / "two"))
    with database(tmp_path) as backend, mlflow_on(backend, tmp_path) as uri:
        figures = races(machines, uri, rounds=12)
    assert figures.good, figures.summary()
    assert figures.moves >= 12
    assert figures.codes[75] > 0, "they raced"
