"""Cause: a time of ``services.retrain_schedule`` has come since the last retraining."""

from __future__ import annotations

from datetime import datetime

from cronsim import CronSim, CronSimError

from ganlib.core.errors import BadInput
from ganlib.jobs.triggers.situation import Situation


def due(situation: Situation) -> str | None:
    """Say when it was due; None if it is not. What was never trained is not retrained."""
    moment = last_time(situation.params.services.retrain_schedule, situation.now)
    if moment is None or situation.last is None or moment <= situation.last:
        return None
    return f"due since {moment:%Y-%m-%d %H:%M} UTC ({situation.params.services.retrain_schedule})"


def late(situation: Situation) -> str | None:
    """Say that the schedule's retraining was not begun within ``triggers.late_seconds``; None if it is not late."""
    moment = last_time(situation.params.services.retrain_schedule, situation.now)
    if moment is None or due(situation) is None:
        return None
    limit = situation.params.triggers.late_seconds
    if (situation.now - moment).total_seconds() <= limit:
        return None
    return f"the retraining of {moment:%Y-%m-%d %H:%M} UTC was not begun within {limit / 60:g} minutes"


def last_time(schedule: str, now: datetime) -> datetime | None:
    """Return the last time of the cron expression ``schedule`` (UTC) before ``now``; None of an empty one.

    Raises:
        BadInput: it is no cron expression.
    """
    if not schedule.strip():
        return None
    try:
        moment: datetime | None = next(CronSim(schedule, now, reverse=True), None)
    except CronSimError as error:
        raise BadInput(
            f"services.retrain_schedule: {schedule!r} is no cron expression ({error}). Write five fields, such as "
            '"0 3 * * 1" for Mondays at three, or "" for no schedule.'
        ) from error
    return moment
