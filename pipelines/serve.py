"""Serve all flows as deployments on this machine: buttons in the UI, a schedule, and a trigger on changed data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import psutil
from prefect import serve
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.schedules import Cron

from ganlib import config
from ganlib import project as projects
from pipelines.generate import generate
from pipelines.launch import mark_crashed
from pipelines.promote import promote
from pipelines.reconcile import reconcile, watch
from pipelines.retrain import retrain
from pipelines.train import train
from pipelines.version_data import CHANGED, RESOURCE, version_data

NAME = "local"


def deployments() -> list[RunnerDeployment]:
    """One deployment a flow, called ``<flow>/local``."""
    settings = config.load(projects.find().params_file).services
    schedule = Cron(settings.retrain_schedule, timezone="UTC") if settings.retrain_schedule else None
    on_change = DeploymentEventTrigger(
        name="data changed -> retrain", expect={CHANGED}, match={"prefect.resource.id": f"{RESOURCE}.*"}
    )
    made = [
        version_data.to_deployment(NAME, tags=["ganlib"]),
        train.to_deployment(NAME, tags=["ganlib"]),
        retrain.to_deployment(NAME, tags=["ganlib"], schedule=schedule, triggers=[on_change]),
        promote.to_deployment(NAME, tags=["ganlib"]),
        generate.to_deployment(NAME, tags=["ganlib"]),
        reconcile.to_deployment(NAME, tags=["ganlib"]),
    ]
    return cast("list[RunnerDeployment]", made)  # coroutines only inside an event loop, which this is not


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
    missed = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=datetime.now(UTC)),
    )
    kept, dropped = set(), []
    with get_client(sync_client=True) as client:
        latest_first = FlowRunSort.EXPECTED_START_TIME_DESC
        for found in client.read_flow_runs(flow_run_filter=missed, sort=latest_first):
            if not found.auto_scheduled:
                continue
            if found.deployment_id in kept:
                client.delete_flow_run(found.id)
                dropped.append(found.name)
            kept.add(found.deployment_id)
    return dropped


def _flow_run_of(process: psutil.Process) -> str | None:
    """The id of the flow run that a process executes: Prefect's engine has it in its environment."""
    try:
        engine = any(word.startswith("prefect.") for word in process.cmdline())
        return process.environ().get("PREFECT__FLOW_RUN_ID") if engine else None
    except psutil.Error:
        return None


if __name__ == "__main__":
    clear_ghosts()
    drop_missed()
    watch()
    # One at a time: two trainings on two cores only slow each other. Paused at shutdown, so that no late runs pile up.
    serve(*deployments(), limit=1, pause_on_shutdown=True)
