"""Starting services: what an interrupted `make up` leaves behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from ganlib.config import ServicesConfig
from ganlib.core.files import write_json
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from tests import factories
from tests.clocks import STEPS, shifted
from tests.conftest import ROOT


@pytest.mark.parametrize("when", ["right after its start", "while it is waited for"])
def test_ctrl_c_during_up_ends_what_it_started_and_keeps_what_ran_before(
    tmp_path: Path, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    services, children = flows.services, flows.children
    project = factories.project(tmp_path / "project")
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    spawned: list[psutil.Process] = []

    def spawn(name: str) -> dict[str, Any]:
        entry = children.spawn(project, name, sleeper, {})
        spawned.append(psutil.Process(entry["pid"]))
        return entry | {"url": "http://127.0.0.1"}

    def good(report: Report) -> dict[str, Any]:
        return spawn("old")

    def interrupted(report: Report) -> dict[str, Any]:
        entry = spawn("new")
        if when == "right after its start":
            raise KeyboardInterrupt
        return children.await_ready(entry, _interrupt, "new", report)

    monkeypatch.setattr(services, "starters", lambda *_: {"old": good})
    before = services.start(project, ServicesConfig(), silent)
    monkeypatch.setattr(services, "starters", lambda *_: {"old": good, "new": interrupted})
    with pytest.raises(KeyboardInterrupt):
        services.start(project, ServicesConfig(), silent)
    assert children.running(project) == before
    assert [process.is_running() for process in spawned] == [True, False]
    assert services.stop(project) == ["old"]
    assert services.stop(project) == []
    assert not spawned[0].is_running()


def test_a_supervisor_is_replaced_when_the_servers_are_others(
    tmp_path: Path, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, project = flows.services, factories.project(tmp_path / "project")
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]

    def starters(project: Project, settings: ServicesConfig, *_: Any) -> Any:
        mark = {"places": services.places(settings)}
        return {"supervisor": lambda report: flows.children.spawn(project, "supervisor", sleeper, {}) | mark}

    monkeypatch.setattr(services, "starters", starters)
    first = services.start(project, ServicesConfig(), silent)
    assert services.start(project, ServicesConfig(webhook="https://hooks.example/sesame"), silent) == first
    second = services.start(project, ServicesConfig(mlflow="https://mlflow.example"), silent)
    assert second["supervisor"]["pid"] != first["supervisor"]["pid"]
    assert flows.children.running(project) == second
    assert "sesame" not in flows.children.file(project).read_text()
    assert services.stop(project) == ["supervisor"]


@pytest.fixture
def service(tmp_path: Path, flows: SimpleNamespace) -> Iterator[tuple[Project, psutil.Process]]:
    """A project with one recorded service, as `make up` leaves it, and its process."""
    project = factories.project(tmp_path / "project")
    sleeper = [sys.executable, "-c", "import time; time.sleep(6000)"]
    entry = flows.children.spawn(project, "mlflow", sleeper, {}) | {"url": "http://127.0.0.1:9"}
    write_json(project.state / "services.json", {"mlflow": entry})
    flows.children.starting_file(project).unlink()
    process = psutil.Process(entry["pid"])
    yield project, process
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    process.wait()


@pytest.mark.parametrize("seconds", STEPS)
def test_a_clock_that_is_set_makes_up_and_down_forget_nothing(
    service: tuple[Project, psutil.Process], tmp_path: Path, seconds: int
) -> None:
    project, process = service

    def told(*words: str) -> Any:
        command = shifted([sys.executable, *words], seconds, tmp_path)
        environment = {**os.environ, "GANLIB_ROOT": str(project.root)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
        return json.loads(done.stdout)

    served = "import json; from ganlib.core import project; from ganlib.tracking import store;"
    served += "print(json.dumps(store.served(project.find())))"
    assert told("-m", "pipelines", "services", "status", "--json")["mlflow"]["pid"] == process.pid
    assert told("-c", served) == "http://127.0.0.1:9"
    assert told("-m", "pipelines", "services", "down", "--json") == ["mlflow"]
    process.wait(60)


@pytest.mark.parametrize("change", [{"namespace": "pid:[1]"}, {"host": "another"}, {"boot": "an earlier one"}])
def test_a_record_of_another_container_or_an_earlier_boot_ends_no_process_of_the_same_number(
    service: tuple[Project, psutil.Process], flows: SimpleNamespace, change: dict[str, str]
) -> None:
    project, process = service
    state = json.loads((project.state / "services.json").read_text())
    write_json(project.state / "services.json", {"mlflow": state["mlflow"] | change})
    assert flows.children.running(project) == {}
    assert flows.services.stop(project) == []
    assert process.is_running()


def test_a_record_of_an_earlier_version_is_read(
    service: tuple[Project, psutil.Process], flows: SimpleNamespace
) -> None:
    project, process = service
    earlier = {"pid": process.pid, "started": process.create_time(), "log": "", "url": ""}
    for name in ("services.json", "service-starting.json"):
        write_json(project.state / name, {"mlflow": earlier} if name == "services.json" else earlier)
    assert list(flows.children.running(project)) == ["mlflow"]
    flows.children.end_half_started(project)
    process.wait(60)
    assert flows.children.running(project) == {}


def _interrupt() -> bool:
    raise KeyboardInterrupt
