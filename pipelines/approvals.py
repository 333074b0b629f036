"""The watch that keeps a form open in Prefect's page for each version that awaits approval, and answers it.

A form is a run of the flow `approve` that is suspended: it takes no process, and outlives every restart. The watch
starts it, closes it when the version was approved elsewhere or the champion is another, and goes on with it when
somebody has answered. It does so in a thread of its own, so that no answer waits behind a training.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, Pause, PrefectHTTPStatusError
from prefect.flow_engine import run_flow
from prefect.states import Completed, Pending

from ganlib import config
from ganlib.config import Params
from ganlib.core import project as projects
from ganlib.core.errors import GanlibError
from ganlib.core.project import Project
from ganlib.jobs.promotion.approval import WaitingVersion, waiting
from pipelines.approve import approve, waiting_name
from pipelines.outages import OutageLog

DEPLOYMENT = "approve/version"
_OPEN = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
_MOST = 20
"""So often a form is put up again after names that may not approve, or a killed process."""
SAVED_WITHIN = timedelta(seconds=60)
"""So long after a run was suspended whoever did that is saving what its form asks for."""
_NO_QUESTION = "it waits no more: it was answered elsewhere, or the champion is another; see its page in MLflow"
_HALF = "the process that put this form up was killed before it was whole: another run asks"


def watch() -> None:
    """From now on, look every ``services.reconcile_seconds`` whether a version waits, or somebody has answered."""
    threading.Thread(target=_watch_until, args=(threading.Event(),), name="approvals", daemon=True).start()


def _watch_until(stop: threading.Event) -> None:
    project = projects.find()
    params = config.load(project.params_file)
    forms, logger = ApprovalForms(project, params), logging.getLogger(__name__)
    outages = OutageLog(logger.warning)
    while not stop.wait(params.services.reconcile_seconds):
        try:
            forms.look()
            outages.look("approvals", None)
        except (GanlibError, httpx.HTTPError) as error:  # MLflow's or Prefect's server is away
            outages.look("approvals", str(error) or type(error).__name__)
        except Exception:  # whatever it is, the next look may succeed, and nobody else looks
            logger.exception("could not look after approvals")


class ApprovalForms:
    """The forms in Prefect's page: one for each version that waits."""

    def __init__(self, project: Project, params: Params) -> None:
        """Nothing is asked yet."""
        self._project, self._params = project, params
        self._open = True  # there may be some from before
        self._whole: set[UUID] = set()
        """Runs whose forms are known to be saved."""

    def look(self) -> None:
        """Close the forms that nothing waits for, put up those that are missing, and go on with what was answered.

        Raises:
            Unavailable: MLflow does not answer.
            HTTPError: Prefect does not answer.
        """
        versions = {_tag(each): each for each in waiting(self._project, self._params)}
        if not versions and not self._open:
            return
        with get_client(sync_client=True) as client:
            try:
                deployment = client.read_deployment_by_name(DEPLOYMENT).id
            except ObjectNotFound:  # a person deleted it, and wants no forms
                return
            forms = _runs(client, deployment, _OPEN)
            for run in forms:
                if not versions.keys() & set(run.tags):
                    _close(client, run, _NO_QUESTION)
                elif not self._saved(client, run):
                    _close(client, run, _HALF)  # and the next look puts another one up
            there = {tag for run in forms for tag in run.tags}
            for tag in versions.keys() - there:
                _put_up(client, deployment, tag, versions[tag])
            _go_on(client, deployment)
            self._open = bool(_runs(client, deployment, _OPEN))

    def _saved(self, client: SyncPrefectClient, run: FlowRun) -> bool:
        """Whether ``run`` can be answered, or still may be: Prefect saves a form when its run is suspended already, and
        a process that is killed in between leaves one that refuses every answer."""
        state = run.state
        if run.id in self._whole or state is None or state.type != StateType.PAUSED:
            return True
        if datetime.now(UTC) - state.timestamp < SAVED_WITHIN:
            return True
        try:
            client.read_flow_run_input(run.id, (state.state_details.run_input_keyset or {}).get("schema", ""))
        except PrefectHTTPStatusError as error:
            if error.response.status_code != HTTPStatus.NOT_FOUND:
                raise
            return False
        self._whole.add(run.id)
        return True


def _tag(one: WaitingVersion) -> str:
    """The tag of the runs that ask about ``one``."""
    return f"awaiting:{one.model}/{one.entry}"


def _runs(
    client: SyncPrefectClient, deployment: UUID, states: list[StateType] | None = None, tag: str | None = None
) -> list[FlowRun]:
    """The flow's runs, the newest first."""
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)) if states else None,
            tags=FlowRunFilterTags(all_=[tag]) if tag else None,
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
    )


def _put_up(client: SyncPrefectClient, deployment: UUID, tag: str, one: WaitingVersion) -> None:
    """Start a run that asks about ``one``; of several machines that see that none is there, one starts it.

    A person who cancels a form wants none.
    """
    former = _runs(client, deployment, tag=tag)
    if len(former) >= _MOST or (former and former[0].state_type == StateType.CANCELLED):
        return
    client.create_flow_run_from_deployment(
        deployment,
        parameters=one.model_dump(),
        name=waiting_name(**one.model_dump()),
        tags=["ganlib", tag],
        idempotency_key=f"{tag}.{len(former)}",
    )


def _close(client: SyncPrefectClient, run: FlowRun, message: str) -> None:
    """End a form; what is at work on an answer ends by itself."""
    if run.state_type in (StateType.PAUSED, StateType.SCHEDULED):
        client.set_flow_run_state(run.id, Completed(name="Closed", message=message), force=True)


def _go_on(client: SyncPrefectClient, deployment: UUID) -> None:
    """Run what is due: a form that was just put up, until it is suspended, and one that somebody has filled in."""
    due = client.get_scheduled_flow_runs_for_deployments([deployment], scheduled_before=datetime.now(UTC))
    for each in due:
        claim: OrchestrationResult[Any] = client.set_flow_run_state(each.id, Pending())
        if claim.status != SetStateStatus.ACCEPT:  # another machine's watch has it
            continue
        run = client.read_flow_run(each.id)
        try:
            run_flow(approve, flow_run=run, parameters=run.parameters, return_type="state")
        except Pause:  # it is suspended, and waits for a person
            continue
