"""Serve all flows as deployments on this machine: buttons in the UI, a schedule, and a trigger on changed data."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import cast

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.exceptions import TerminationSignal
from prefect.runner import Runner
from prefect.schedules import Cron

from ganlib import config
from ganlib.core import project as projects
from pipelines import approvals, forms, launch, triggers
from pipelines.approve import approve
from pipelines.environment import READY
from pipelines.generate import generate
from pipelines.launch import mark_crashed
from pipelines.promote import promote
from pipelines.reconcile import reconcile, watch
from pipelines.registration import TAG, register
from pipelines.retrain import retrain
from pipelines.train import train
from pipelines.version_data import CHANGE_EVENT, RESOURCE, version_data

NAMES = {
    "version-data": "new-data",
    "train": "one-family",
    "retrain": "best-of-families",
    "promote": "gate",
    "generate": "batch",
    "reconcile": "mlflow-page",
    "approve": "version",
}
"""What a flow's deployment is called."""


def deployments() -> list[RunnerDeployment]:
    """Return a deployment for each flow, called as :data:`NAMES` has it; their forms offer what params.yaml has."""
    params = config.load(projects.find().params_file)
    on_change = DeploymentEventTrigger(
        name=triggers.ON_NEW_DATA,
        expect={CHANGE_EVENT},
        match={"prefect.resource.id": f"{RESOURCE}.*"},
        parameters={"causes": ["data"]},
    )
    schedule = params.services.retrain_schedule
    schedules = [Cron(schedule, timezone="UTC", parameters={"causes": ["schedule"]})] if schedule else []
    flows = [
        flow.to_deployment(
            NAMES[flow.name],
            tags=[TAG],
            schedules=schedules if flow is retrain else [],
            triggers=[on_change] if flow is retrain else [],
            description=(flow.description or "").partition("\n\nArgs:")[0],
        )
        for flow in (version_data, train, retrain, promote, generate, reconcile, approve)
    ]
    for deployment in flows:
        forms.fill(cast("RunnerDeployment", deployment), params)
    return cast("list[RunnerDeployment]", flows)  # coroutines only inside an event loop, which this is not


def clear_ghosts() -> list[str]:
    """Mark as Crashed the served runs that no process works on: the machine or its server was stopped under them.

    Returns:
        Names of the runs that were marked.
    """
    alive = {_flow_run_of(process) for process in psutil.process_iter()}
    return mark_crashed(lambda run: run.deployment_id is not None and str(run.id) not in alive)


def drop_missed() -> list[str]:
    """Delete all planned runs that were missed but the latest of each deployment: each would do the same work again.

    Returns:
        Names of the runs that were deleted.
    """
    newest, names = set(), []
    with get_client(sync_client=True) as client:
        for flow_run in _planned(client, until=datetime.now(UTC)):
            if flow_run.deployment_id in newest:
                client.delete_flow_run(flow_run.id)
                names.append(flow_run.name)
            newest.add(flow_run.deployment_id)
    return names


def drop_planned() -> None:
    """Delete what is planned for later: while nobody serves it, it would pile up as late."""
    with get_client(sync_client=True) as client:
        for flow_run in _planned(client):
            client.delete_flow_run(flow_run.id)


def _planned(client: SyncPrefectClient, until: datetime | None = None) -> list[FlowRun]:
    """The runs that a schedule has planned, the latest first; ``until``: those whose time had come by then."""
    run_filter = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=until),
    )
    runs = client.read_flow_runs(flow_run_filter=run_filter, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
    return [run for run in runs if run.auto_scheduled]


def _flow_run_of(process: psutil.Process) -> str | None:
    """The id of the flow run that a process executes: Prefect's engine has it in its environment."""
    try:
        engine = any(word.startswith("prefect.") for word in process.cmdline())
        return process.environ().get("PREFECT__FLOW_RUN_ID") if engine else None
    except psutil.Error:
        return None


def main() -> None:
    """Register all, then serve until the process is told to end."""
    project = projects.find()
    (project.state / READY).unlink(missing_ok=True)
    alone = config.servers(project).prefect is None  # on a team's server the runs are other machines', too
    if alone:
        clear_ghosts()
        drop_missed()
    launch.clear_ghosts()  # of this machine, wherever the server is
    # One at a time: two trainings on two cores only slow each other. Not paused at the end: a pause is a person's.
    runner = Runner(pause_on_shutdown=False, limit=1)
    register(project, runner, deployments(), by_watch={approvals.DEPLOYMENT})
    watch()
    approvals.watch()
    triggers.watch()
    try:
        asyncio.run(runner.start())
    except (KeyboardInterrupt, SystemExit, TerminationSignal):  # as Prefect ends a runner that is told to
        if alone:
            drop_planned()
