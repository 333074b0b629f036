"""A kill in a project's first seconds costs nothing but that command."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.first_seconds import ruined

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.mark.timeout(1800)
def test_a_first_command_that_is_killed_at_any_moment_never_ruins_mlflows_database(tmp_path: Path) -> None:
    hits, failures = ruined(tmp_path, kills=6)
    assert hits, "none of the kills came in time"
    assert failures == 0
