"""The watch that starts the flow `retrain` when there is a cause: one run for all causes of the same minute."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from ganlib import config
from ganlib.config import Params, TriggersConfig
from ganlib.core import project as projects
from ganlib.core.errors import GanlibError
from ganlib.core.project import Project
from ganlib.jobs.triggers.alarm import LATE, alarms
from ganlib.jobs.triggers.look import situation
from ganlib.jobs.triggers.plan import RetrainPlan, plan
from pipelines.notices import NoticeWatch

DEPLOYMENT = "retrain/best-of-families"
ON_NEW_DATA = "data changed -> retrain"
"""The automation that starts a retraining when the flow `version-data` has changed the data."""


class RetrainRuns(Protocol):
    """What the watch starts."""

    def under_way(self) -> bool:
        """Return whether the last that was started has not ended."""

    def start(self, ahead: RetrainPlan) -> str | None:
        """Start what a plan says; return why it was not started, or None."""


def watch() -> None:
    """From now on, look every ``triggers.look_seconds`` whether there is a cause to retrain.

    In a thread of the process that serves the deployments, as the watch over MLflow's page is: a look reads a few
    records, and a run of its own for each would start a process every minute.
    """
    threading.Thread(target=watch_until, args=(threading.Event(),), name="triggers", daemon=True).start()


def watch_until(stop: threading.Event) -> None:
    """Do what :func:`watch` says until ``stop`` is set."""
    watch = TriggerWatch(projects.find())
    while not stop.wait(watch.seconds()):
        watch.look()


class TriggerWatch:
    """Remembers since when there is a cause, so that causes that come together are one run."""

    def __init__(
        self,
        project: Project,
        runs: RetrainRuns | None = None,
        clock: Callable[[], float] = time.monotonic,
        off: Callable[[], Collection[str]] | None = None,
    ) -> None:
        """``runs`` are started; ``clock`` tells seconds, and ``off`` which causes do not count now."""
        self._project, self._runs, self._clock = project, runs or PrefectRuns(), clock
        self._off = off or switched_off
        self._since: float | None = None
        self._last_words: str | None = None
        self._notices = NoticeWatch(project, logging.getLogger(__name__).warning)
        self._seconds: float = TriggersConfig().look_seconds

    def seconds(self) -> float:
        """Seconds until the next look. While params.yaml cannot be read, as when it is being saved, those of before."""
        with suppress(Exception):  # which the look tells; the watch must not end with it
            self._seconds = config.load(self._project.params_file).triggers.look_seconds
        return self._seconds

    def look(self) -> bool:
        """Look once; return whether a retraining was started. What hinders is told once, and nothing ends the watch."""
        try:
            params = config.load(self._project.params_file)
            return self._look(_without(params, self._off()))
        except GanlibError as error:
            self._tell(str(error))
            return False
        except Exception as error:  # whatever it is, the next look may succeed, and nobody else looks
            self._tell(f"could not look for causes to retrain: {type(error).__name__}: {error}")
            return False

    def _look(self, params: Params) -> bool:
        state = situation(self._project, params, datetime.now(UTC))
        ahead = plan(self._project, params, state=state)
        messages = list(alarms(state, ahead))
        self._notices.alarm(state, messages)  # that hinders no start
        if not ahead.due or self._runs.under_way():  # what a run takes in and makes looks like new causes until it ends
            self._since = None
            self._tell(None)
            return False
        words = next((str(message.data["reason"]) for message in messages if message.type == LATE), None)
        if words:
            self._tell(words)
        if self._since is None:
            self._since = self._clock()
        if self._clock() - self._since < params.triggers.settle_seconds:
            return False
        self._since = None
        self._tell(self._runs.start(ahead) or words)
        return True

    def _tell(self, words: str | None) -> None:
        """A line at the start of what lasts, and none while it does."""
        if words and words != self._last_words:
            logging.getLogger(__name__).warning("%s", words)
        self._last_words = words


def _without(params: Params, off: Collection[str]) -> Params:
    """``params``, but that the causes ``off`` do not count."""
    causes = tuple(name for name in params.triggers.causes if name not in off)
    return params.model_copy(update={"triggers": params.triggers.model_copy(update={"causes": causes})})


def switched_off() -> set[str]:
    """Return the causes that a person has switched off in Prefect's page: there a schedule and an automation stand for
    them."""
    with get_client(sync_client=True) as client:
        schedules = client.read_deployment_by_name(DEPLOYMENT).schedules
        automations = client.read_automations_by_name(ON_NEW_DATA)
    off = set() if any(schedule.active for schedule in schedules) else {"schedule"}
    return off if any(automation.enabled for automation in automations) else off | {"data"}


class PrefectRuns:
    """Runs of the deployment, which this process starts one after the other."""

    def __init__(self) -> None:
        """None was started yet."""
        self._last: UUID | None = None

    def under_way(self) -> bool:
        """See :class:`RetrainRuns`. One that a person has deleted has ended."""
        if self._last is None:
            return False
        with get_client(sync_client=True) as client:
            try:
                state = client.read_flow_run(self._last).state
            except ObjectNotFound:
                return False
        return state is not None and not state.is_final()

    def start(self, ahead: RetrainPlan) -> str | None:
        """See :class:`RetrainRuns`. Of several looks at the same state, also on other machines, one starts it."""
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
            if deployment.paused:
                return f"{DEPLOYMENT} is paused in Prefect's page, so nothing is retrained; there is {ahead.causes[0]}"
            run = client.create_flow_run_from_deployment(
                deployment.id,
                parameters={"causes": [str(cause) for cause in ahead.causes]},
                tags=["ganlib", *(f"cause:{cause.name}" for cause in ahead.causes)],
                # What ended before its claim is started again an hour later.
                idempotency_key=f"{ahead.key}.{ahead.attempt}.{datetime.now(UTC):%Y-%m-%dT%H}",
            )
        self._last = run.id
        return None
