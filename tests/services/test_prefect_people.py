"""What people switch off or change in Prefect's page, and what a next `make up` makes of it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import TimeoutError as Late

from ganlib.core import processes
from ganlib.jobs.doctor import prefect_runs
from ganlib.jobs.prefect_server import PrefectServer
from tests.services import project as projects
from tests.support.forks import Command
from tests.support.screenshots import picture

pytestmark = [pytest.mark.services, pytest.mark.slow]

RETRAIN, TRAIN = "retrain/best-of-families", "train/one-family"
REGISTER = """
import json, os, sys
from ganlib.core import project
from pipelines.triggers import switched_off
from prefect.runner import Runner
from pipelines.registration import register
from pipelines.serve import deployments
for schedule in sys.stdin:
    os.environ["GANLIB_SERVICES_RETRAIN_SCHEDULE"] = schedule.strip()
    print(json.dumps(register(project.find(), Runner(pause_on_shutdown=False), deployments())), flush=True)
    print(json.dumps(sorted(switched_off())), flush=True)
"""
FORMER = """
from prefect.events import DeploymentEventTrigger
from pipelines.retrain import retrain
from pipelines.train import train
trigger = DeploymentEventTrigger(name="data changed -> retrain", expect={"ganlib.data.changed"})
retrain.to_deployment("local", tags=["ganlib"], cron="0 3 * * 1", triggers=[trigger], paused=True).apply()
train.to_deployment("local", tags=["ganlib"], paused=True).apply()
train.to_deployment("mine", tags=["Ada"]).apply()
"""


class Prefect:
    """A server of its own, and the requests that its page sends."""

    def __init__(self, serve: Callable[..., None], folder: Path) -> None:
        self.folder = projects.bare(folder / "project")
        self.url = projects.prefect_server(serve, self.folder)
        home = str(self.folder / ".ganlib/prefect")
        self.client = {"PREFECT_API_URL": f"{self.url}/api", "PREFECT_HOME": home}
        self.touched = False

    @contextmanager
    def registering(self) -> Iterator[Prefect]:
        """Let a process be ready that does what `make up` does: its imports take longer than its work."""
        environment = projects.environment(self.folder) | self.client
        self.process = Command(["tests.support.code", REGISTER], self.folder, environment, typed=True)
        yield self
        self.process.communicate(300)

    def register(self, schedule: str = "0 3 * * 1") -> list[str]:
        """As `make up` does; what it says of people's changes."""
        self.touched = True
        self.process.stdin.write(f"{schedule}\n")
        self.process.stdin.flush()
        told = list(json.loads(self.process.stdout.readline()))
        self.off = json.loads(self.process.stdout.readline())
        return told

    def forget(self) -> None:
        """As if nothing had ever been registered."""
        for kind, found in (
            ("deployments", self.ask("POST", "deployments/filter", {})),
            ("automations", self.automations()),
        ):
            for one in found:
                self.ask("DELETE", f"{kind}/{one['id']}")
        (self.folder / ".ganlib/deployments.json").unlink()
        self.touched = True

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        return projects.ask_prefect(self.url, verb, path, body)

    def deployment(self, name: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"deployments/name/{name}"))

    def automations(self) -> list[dict[str, Any]]:
        return list(self.ask("POST", "automations/filter", {}))

    def names(self) -> set[str]:
        return {found["name"] for found in self.ask("POST", "deployments/filter", {})}


NAMES = {"new-data", "one-family", "best-of-families", "gate", "batch", "mlflow-page", "version"}


@pytest.fixture(scope="module")
def prefect(serve: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    with Prefect(serve, tmp_path_factory.mktemp("people")).registering() as prefect:
        assert prefect.register() == []
        prefect.touched = False
        yield prefect


@pytest.fixture(autouse=True)
def _fresh(prefect: Prefect) -> None:
    """Deployments that nobody has touched: the two that tests change come back as they were when they are deleted."""
    if prefect.touched:
        for found in prefect.ask("POST", "deployments/filter", {}):
            if found["name"] in (RETRAIN.partition("/")[2], TRAIN.partition("/")[2]):
                prefect.ask("DELETE", f"deployments/{found['id']}")
        assert prefect.register() == []
        prefect.touched = False


def test_what_nobody_touched_is_brought_up_to_date_without_a_word(prefect: Prefect) -> None:
    assert prefect.names() == NAMES
    assert prefect.register() == []
    assert prefect.register("0 4 * * 2") == []
    (schedule,) = prefect.deployment(RETRAIN)["schedules"]
    assert (schedule["schedule"]["cron"], schedule["active"]) == ("0 4 * * 2", True)
    (automation,) = prefect.automations()
    assert automation["enabled"]
    assert automation["actions"][0]["deployment_id"] == prefect.deployment(RETRAIN)["id"]


@pytest.mark.parametrize("name", [RETRAIN, TRAIN, "generate/batch", "reconcile/mlflow-page"])
def test_an_unknown_parameter_is_refused_by_its_name_and_starts_no_run(prefect: Prefect, name: str) -> None:
    path = f"deployments/{prefect.deployment(name)['id']}/create_flow_run"
    refusal = projects.prefect_answer(prefect.url, "POST", path, json={"parameters": {"budgte": "demo"}})
    assert (refusal.status_code, "'budgte' was unexpected" in refusal.text) == (409, True), refusal.text
    runs = prefect.ask("POST", "flow_runs/filter", {"flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}}})
    assert runs == []


def test_an_automation_with_an_unknown_parameter_says_why_it_started_nothing(prefect: Prefect) -> None:
    target = prefect.deployment(TRAIN)["id"]
    action = {"type": "run-deployment", "source": "selected", "deployment_id": target, "parameters": {"budgte": "x"}}
    trigger = {"type": "event", "posture": "Reactive", "expect": ["test.now"], "threshold": 1, "within": 0}
    made = prefect.ask("POST", "automations/", {"name": "wrong", "trigger": trigger, "actions": [action]})
    resource = {"prefect.resource.id": "test.thing"}
    deadline = time.monotonic() + 300
    while True:  # the server learns of an automation a little after it has answered
        event = {
            "id": str(uuid4()),
            "event": "test.now",
            "resource": resource,
            "occurred": datetime.now(UTC).isoformat(),
        }
        prefect.ask("POST", "events", [event])
        found = prefect.ask(
            "POST", "events/filter", {"filter": {"event": {"prefix": ["prefect.automation.action.failed"]}}}
        )
        if found["events"]:
            break
        assert time.monotonic() < deadline
        time.sleep(1)
    prefect.ask("DELETE", f"automations/{made['id']}")
    assert "'budgte' was unexpected" in json.dumps(found["events"][0]["payload"])


CLOSE = """
from datetime import timedelta
from ganlib.jobs.doctor import prefect_runs
from pipelines.launch import clear_ghosts
prefect_runs.SETTLING = timedelta(days=-1)
print(sorted(clear_ghosts()))
"""


def ghosts(prefect: Prefect) -> tuple[str, str, str]:
    """A run that says Running and whose process is gone; one that is complete and a task of it that says Running."""
    flow = prefect.ask("POST", "flows/", {"name": "retrain"})["id"]
    child = subprocess.Popen(["true"])
    dead = json.dumps(processes.identity(child.pid))
    child.wait()

    def run(state: str, *tags: str) -> str:
        body = {"flow_id": flow, "state": {"type": state}, "tags": ["ganlib", *tags], "name": f"a run that is {state}"}
        return str(prefect.ask("POST", "flow_runs/", body)["id"])

    whole = run("RUNNING")
    body = {"flow_run_id": whole, "task_key": "shards", "dynamic_key": "0", "state": {"type": "RUNNING"}}
    task = str(prefect.ask("POST", "task_runs/", body | {"name": "shards of a worker that was killed"})["id"])
    prefect.ask("POST", f"flow_runs/{whole}/set_state", {"state": {"type": "COMPLETED"}, "force": True})
    return run("RUNNING", dead), whole, task


@pytest.mark.parametrize("how", ["doctor", "next command"])
def test_what_a_kill_left_running_is_seen_and_ended(
    prefect: Prefect, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    dead, whole, task = ghosts(prefect)
    server = PrefectServer(f"{prefect.url}/api")
    monkeypatch.setattr(prefect_runs, "SETTLING", timedelta(days=-1))
    (found,) = prefect_runs.ghosts(server, fix=False)
    assert found.state == "problem"
    assert "a run that is RUNNING, shards of a worker that was killed" in found.words
    if how == "doctor":
        (found,) = prefect_runs.ghosts(server, fix=True)
        assert found.cured
    else:
        words = projects.run_code(prefect.folder, CLOSE, **prefect.client)
        assert words.strip() == "['a run that is RUNNING', 'shards of a worker that was killed']"
    states = [
        prefect.ask("GET", f"{kind}/{each}")["state"]["type"]
        for kind, each in (("flow_runs", dead), ("flow_runs", whole), ("task_runs", task))
    ]
    assert states == ["CRASHED", "COMPLETED", "CRASHED"]
    (found,) = prefect_runs.ghosts(server, fix=False)
    assert found.state == "ok"
    for each in (dead, whole):
        prefect.ask("DELETE", f"flow_runs/{each}")


def test_a_paused_deployment_stays_paused_until_it_is_resumed(prefect: Prefect) -> None:
    identity = prefect.deployment(TRAIN)["id"]
    prefect.ask("POST", f"deployments/{identity}/pause_deployment")
    for _ in range(2):
        (line,) = prefect.register()
        assert line == f"{TRAIN} was paused in Prefect's page and stays so; resume it there"
        assert prefect.deployment(TRAIN)["paused"]
    prefect.ask("POST", f"deployments/{identity}/resume_deployment")
    assert prefect.register() == []
    assert not prefect.deployment(TRAIN)["paused"]


@pytest.mark.parametrize(
    "change",
    [{"active": False}, {"schedule": {"cron": "0 5 * * 6", "timezone": "Europe/Berlin"}}, None],
    ids=["switched off", "another time", "deleted"],
)
def test_a_schedule_that_a_person_changed_stays(prefect: Prefect, change: dict[str, Any] | None) -> None:
    def seen() -> list[dict[str, Any]]:
        found = prefect.deployment(RETRAIN)["schedules"]
        return [{key: schedule[key] for key in ("schedule", "active", "parameters")} for schedule in found]

    before = prefect.deployment(RETRAIN)
    place = f"deployments/{before['id']}/schedules/{before['schedules'][0]['id']}"
    prefect.ask("PATCH", place, change) if change else prefect.ask("DELETE", place)
    asked = seen()
    for schedule in ("0 3 * * 1", "0 4 * * 2"):
        (line,) = prefect.register(schedule)
        assert line.startswith(f"{RETRAIN} has a schedule that was switched off or changed in Prefect's page")
        assert seen() == asked


def test_other_changes_stay_too_and_a_deleted_deployment_is_ours_again(prefect: Prefect) -> None:
    identity = prefect.deployment(RETRAIN)["id"]
    theirs = {
        "parameters": {"budget": "demo"},
        "description": "Ada's",
        "tags": ["Ada", "ganlib"],
        "concurrency_limit": 2,
    }
    prefect.ask("PATCH", f"deployments/{identity}", theirs)
    lines = prefect.register()
    assert prefect.register() == lines
    assert len(lines) == 4
    found = prefect.deployment(RETRAIN)
    assert {key: found[key] for key in ("parameters", "description")} == {
        key: theirs[key] for key in found if key in theirs and key in ("parameters", "description")
    }
    assert set(found["tags"]) == {"Ada", "ganlib"}
    assert found["global_concurrency_limit"]["limit"] == 2
    prefect.ask("DELETE", f"deployments/{identity}")
    assert prefect.register() == []
    assert prefect.deployment(RETRAIN)["parameters"] == {}


@pytest.mark.parametrize("change", ["switched off", "another event", "deleted"])
def test_an_automation_that_a_person_changed_stays(prefect: Prefect, change: str) -> None:
    (before,) = prefect.automations()
    if change == "switched off":
        prefect.ask("PATCH", f"automations/{before['id']}", {"enabled": False})
    elif change == "deleted":
        prefect.ask("DELETE", f"automations/{before['id']}")
    else:
        body = {key: before[key] for key in ("name", "enabled", "trigger", "actions")}
        body["trigger"] |= {"expect": ["another.event"]}
        prefect.ask("PUT", f"automations/{before['id']}", body)
    for _ in range(2):
        (line,) = prefect.register()
        assert "'data changed -> retrain'" in line
        assert prefect.off == ([] if change == "another event" else ["data"]), "nor does the watch retrain for that"
        now = prefect.automations()
        assert [found["enabled"] for found in now] == {"switched off": [False], "deleted": []}.get(change, [True])
        assert change != "another event" or now[0]["trigger"]["expect"] == ["another.event"]
    prefect.ask("DELETE", f"deployments/{prefect.deployment(RETRAIN)['id']}")
    assert prefect.register() == []
    assert [found["enabled"] for found in prefect.automations()] == [True]


def pick(page: Any, field: str, option: str) -> None:
    """Click ``option`` in the list of ``field``; the page shuts an open list when it draws its form anew."""
    for _ in range(20):
        if not page.get_by_role("option").count():
            page.get_by_text(field, exact=True).click()
        with suppress(Late):
            page.get_by_role("option", name=option, exact=True).click(timeout=20_000)
            return
    pytest.fail(f"{option} never stayed in the list of {field}")


def test_a_person_chooses_in_the_form_and_types_a_name(browser: Any, prefect: Prefect) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1100})
    page.set_default_timeout(120_000)
    page.goto(f"{prefect.url}/v2/deployments/deployment/{prefect.deployment(RETRAIN)['id']}/run")
    page.get_by_text("smoke", exact=True).first.click()
    page.get_by_role("option").first.wait_for()
    assert page.get_by_role("option").all_inner_texts() == ["best", "demo", "smoke", "standard"]
    page.get_by_role("option", name="demo").click()
    page.get_by_text("standard: at most 25 min").wait_for()
    page.get_by_text("Select", exact=True).click()
    page.get_by_role("option", name="wgan_gp").wait_for()
    assert {"ae", "dcgan", "vae", "wgan_gp"} < set(page.get_by_role("option").all_inner_texts())
    pick(page, "Select", "ae")
    page.keyboard.press("Escape")
    page.locator("input[name=name]").fill("before the release")
    picture(page, "retrain-form")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("tab=Runs"))
    runs = prefect.ask("POST", "flow_runs/filter", {"flow_runs": {"name": {"any_": ["before the release"]}}})
    assert [run["parameters"] for run in runs] == [
        {"families": ["dcgan", "vae", "ae"], "budget": "demo", "overrides": [], "causes": None}
    ]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"families": "dcgan,vae"}, 201),
        ({"families": ["vae"], "budget": None, "overrides": None}, 201),
        ({"families": ["vea"]}, 409),
        ({"budget": "smok"}, 409),
    ],
)
def test_the_api_takes_what_the_form_takes(prefect: Prefect, parameters: dict[str, Any], code: int) -> None:
    path = f"deployments/{prefect.deployment(RETRAIN)['id']}/create_flow_run"
    answer = projects.prefect_answer(prefect.url, "POST", path, json={"parameters": parameters})
    assert answer.status_code == code, answer.text


def test_deployments_of_a_former_release_are_replaced_and_what_was_off_stays_off(prefect: Prefect) -> None:
    """They were all paused at each end, so that tells nothing; a schedule or an automation that is off does."""
    prefect.forget()
    projects.run_code(prefect.folder, FORMER, **prefect.client)
    former = prefect.deployment("retrain/local")
    schedule = f"deployments/{former['id']}/schedules/{former['schedules'][0]['id']}"
    prefect.ask("PATCH", schedule, {"active": False})
    (automation,) = prefect.automations()
    prefect.ask("PATCH", f"automations/{automation['id']}", {"enabled": False})
    lines = prefect.register()
    assert prefect.register() == lines
    assert ["schedule" in lines[0], "automation" in lines[1]] == [True, True]
    assert prefect.names() == {*NAMES, "mine"}, "another's deployment is let alone"
    now = prefect.deployment(RETRAIN)
    assert (now["paused"], [one["active"] for one in now["schedules"]]) == (False, [False])
    assert [found["enabled"] for found in prefect.automations()] == [False]
    prefect.forget()
