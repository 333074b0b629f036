"""Deployments and their trigger in Prefect's database; what a person changed in Prefect's page stays as it is.

What was registered last is remembered, as the server shows it: whatever looks different the next time, a person did.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import DeploymentApplyError, RunnerDeployment
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner

from ganlib.core.files import write_json
from ganlib.core.project import Project
from pipelines.environment import READY

TAG = "ganlib"
_FORMER = "local"  # what every deployment was called once
_OURS = "; delete the deployment there to have the project's own again"
_WORDS = {
    "paused": "was paused in Prefect's page and stays so; resume it there",
    "schedules": "has a schedule that was switched off or changed in Prefect's page, which stays so" + _OURS,
    "parameters": "has default parameters that were set in Prefect's page, which stay" + _OURS,
    "description": "has a description that was changed in Prefect's page, which stays" + _OURS,
    "tags": "has tags that were changed in Prefect's page, which stay" + _OURS,
    "concurrency_limit": "has a concurrency limit that was changed in Prefect's page, which stays" + _OURS,
}

Snapshots = dict[str, dict[str, Any]]


def register(
    project: Project, runner: Runner, deployments: Iterable[RunnerDeployment], by_watch: Collection[str] = ()
) -> list[str]:
    """Register ``deployments`` with ``runner``, and their triggers as automations; remove former ones of ours.

    Then :data:`pipelines.environment.READY` appears. Runs of those ``by_watch`` are not for the runner.

    Returns:
        What a person changed and was left alone, a line each.
    """
    file = project.state / "deployments.json"
    snapshots: Snapshots = json.loads(file.read_text()) if file.is_file() else {}
    notes: list[str] = []
    names = set()
    with get_client(sync_client=True) as client:
        for one in deployments:
            triggers: list[Any] = one.triggers
            one.triggers = []  # Prefect would make them anew each time, switched on
            former = _read(client, f"{one.flow_name}/{_FORMER}")
            serve = RunnerDeployment.apply if one.full_name in by_watch else runner.add_deployment
            snapshots[one.full_name] = _register(client, serve, one, former, snapshots, notes)
            for trigger in triggers:
                snapshots[str(trigger.name)] = _automate(client, one.full_name, trigger, former, snapshots, notes)
            write_json(file, snapshots)  # at once: what is changed by this alone must not look like a person's doing
            names |= {one.full_name, *(str(trigger.name) for trigger in triggers)}
            _remove(client, former)
        for name in snapshots.keys() - names:
            _remove(client, _read(client, name) if "/" in name else None)
    write_json(file, {name: snapshot for name, snapshot in snapshots.items() if name in names})
    write_json(project.state / READY, {"pid": os.getpid(), "kept": notes})
    return notes


def _register(
    client: SyncPrefectClient,
    serve: Callable[[RunnerDeployment], Any],
    ours: RunnerDeployment,
    former: DeploymentResponse | None,
    snapshots: Snapshots,
    notes: list[str],
) -> dict[str, Any]:
    """Register ``ours`` by ``serve``; what is known of it from now on."""
    name = ours.full_name
    before = _read(client, name)
    last = snapshots.get(name, {}) if before else {}
    changes = _changed(before, last) if before else _carried(former)
    theirs = before or former
    if theirs:
        for field in changes:
            _keep(ours, theirs, field)
            notes.append(f"{name} {_WORDS[field]}")
    try:
        serve(ours)
    except DeploymentApplyError:
        if "parameters" not in changes:
            raise
        ours.parameters = {}
        serve(ours)
        notes[-1:] = [f"{name}: the default parameters that were set in Prefect's page fit no more and were dropped"]
    after = _read(client, name)
    return (_editable(after) if after else {}) | {field: last[field] for field in changes if field in last}


def _changed(before: DeploymentResponse, last: dict[str, Any]) -> list[str]:
    """What a person changed since ``last`` was registered. We never pause, so a pause is a person's."""
    now, sure = _editable(before), _carried(before)
    sure += ["paused"] if before.paused else []
    return [
        field for field in now if field in sure or (field != "paused" and now[field] != last.get(field, now[field]))
    ]


def _carried(former: DeploymentResponse | None) -> list[str]:
    """What a person must have changed, whatever was registered: ours come switched on and without parameters.

    Under their former name all were paused at each end, so a pause tells nothing there.
    """
    if former is None:
        return []
    off = any(not schedule.active for schedule in former.schedules)
    return [*(["schedules"] if off else []), *(["parameters"] if former.parameters else [])]


def _editable(deployment: DeploymentResponse) -> dict[str, Any]:
    """Those properties of a deployment that its page lets a person change, as plain data."""
    schedules = [
        one.model_dump(mode="json", include={"schedule", "active", "parameters"}) for one in deployment.schedules
    ]
    limit = deployment.global_concurrency_limit
    return {
        "paused": deployment.paused,
        "schedules": sorted(schedules, key=json.dumps),
        "parameters": json.loads(json.dumps(deployment.parameters, default=str)),
        "description": deployment.description,
        "tags": sorted(deployment.tags),
        "concurrency_limit": limit.limit if limit else None,
    }


def _keep(ours: RunnerDeployment, theirs: DeploymentResponse, field: str) -> None:
    """Have ``ours`` say of ``field`` what is there."""
    if field == "schedules" and theirs.name == ours.name:
        there = [one.model_dump(include={"schedule", "active", "parameters", "slug"}) for one in theirs.schedules]
        ours.schedules = [DeploymentScheduleCreate(**one) for one in there]
    elif field == "schedules":
        for schedule in ours.schedules or []:
            schedule.active = False
    elif field == "concurrency_limit":
        limit = theirs.global_concurrency_limit
        ours.concurrency_limit = limit.limit if limit else None
        ours.concurrency_options = theirs.concurrency_options
    else:
        setattr(ours, field, getattr(theirs, field))


def _automate(
    client: SyncPrefectClient,
    name: str,
    trigger: Any,
    former: DeploymentResponse | None,
    snapshots: Snapshots,
    notes: list[str],
) -> dict[str, Any]:
    """Make the automation of ``trigger``, or leave a person's; what is known of it from now on.

    It belongs to no deployment: Prefect deletes those that do at each registration.
    """
    target = client.read_deployment_by_name(name)
    trigger.set_deployment_id(target.id)
    automation = trigger.as_automation()
    ours = AutomationCore(
        name=automation.name, description=automation.description, trigger=automation.trigger, actions=automation.actions
    )
    own = _owned(client, former, ours.name)
    existing = [one for one in client.read_automations_by_name(ours.name) if one.id not in {other.id for other in own}]
    last = snapshots.get(ours.name)
    if last and last["of"] != str(target.id):  # its deployment was deleted, and is ours again: so is this
        for one in existing:
            client.delete_automation(one.id)
        existing, last = [], None
    if not existing and last:
        notes.append(f"the automation {ours.name!r} was deleted in Prefect's page, and stays away")
        return last
    there: Any = existing[0] if existing else None
    if there is None:
        ours.enabled = all(one.enabled for one in own)
        there = client.read_automation(client.create_automation(ours))
    elif last and _content(there) == last["as"]:
        ours.enabled = there.enabled
        client.update_automation(there.id, ours)
        there = client.read_automation(there.id)
    elif last:
        notes.append(f"the automation {ours.name!r} was changed in Prefect's page, and stays so")
    if not there.enabled:
        notes.append(f"the automation {ours.name!r} is switched off in Prefect's page, and stays so")
    return {"of": str(target.id), "as": last["as"] if last and _content(there) != last["as"] else _content(there)}


def _content(automation: Any) -> dict[str, Any]:
    """What an automation does, as plain data; whether it is switched on apart."""
    content: dict[str, Any] = automation.model_dump(mode="json", include={"name", "description", "trigger", "actions"})
    content["trigger"].pop("id", None)
    return content


def _owned(client: SyncPrefectClient, former: DeploymentResponse | None, name: str) -> list[Any]:
    """The automation ``name`` that the deployment ``former`` brought with it: the server does not say who owns one."""
    candidates = client.read_resource_related_automations(f"prefect.deployment.{former.id}") if former else []
    return [one for one in candidates if one.name == name]


def _remove(client: SyncPrefectClient, former: DeploymentResponse | None) -> None:
    """Delete a deployment, if there is one and it is ours, with the automations that it owns."""
    if former and TAG in former.tags:
        client.delete_resource_owned_automations(f"prefect.deployment.{former.id}")
        client.delete_deployment(former.id)


def _read(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None
