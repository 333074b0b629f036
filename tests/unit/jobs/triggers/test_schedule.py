"""When a schedule was last due, and whether its retraining is late."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ganlib.core.errors import BadInput
from ganlib.jobs.triggers.schedule import last_time, late
from ganlib.registry.registry import Registry
from tests.unit.jobs.triggers.conftest import at, settings

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("schedule", "last"),
    [("0 3 * * 1", datetime(2026, 3, 2, 3, tzinfo=UTC)), ("", None)],
)
def test_the_last_time_before_now(schedule: str, last: datetime | None) -> None:
    assert last_time(schedule, NOW) == last


def test_what_is_no_schedule_is_one_line() -> None:
    with pytest.raises(BadInput, match=r"services\.retrain_schedule: 'weekly' is no cron expression"):
        last_time("weekly", NOW)


def test_a_retraining_is_late_an_hour_after_its_time(champion: Registry) -> None:
    yearly = settings([], services={"retrain_schedule": "0 3 1 1 *"})
    assert late(at(champion.store, yearly)) is None
    assert "was not begun within 60 minutes" in (late(at(champion.store, yearly, days=400)) or "")
