"""Starting services: what an interrupted `make up` leaves behind."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from ganlib.config import ServicesConfig
from ganlib.progress import Report, silent
from tests import factories


@pytest.mark.parametrize("when", ["right after its start", "while it is waited for"])
def test_ctrl_c_during_up_ends_what_it_started_and_keeps_what_ran_before(
    tmp_path: Path, flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    services = flows.services
    project = factories.project(tmp_path / "project")
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    spawned: list[psutil.Process] = []

    def spawn(name: str) -> dict[str, Any]:
        entry = services._spawn(project, name, sleeper, {})
        spawned.append(psutil.Process(entry["pid"]))
        return entry | {"url": "http://127.0.0.1"}

    def good(report: Report) -> dict[str, Any]:
        return spawn("old")

    def interrupted(report: Report) -> dict[str, Any]:
        entry = spawn("new")
        if when == "right after its start":
            raise KeyboardInterrupt
        return services._await(entry, _interrupt, "new", report)

    monkeypatch.setattr(services, "_services", lambda *_: {"old": good})
    before = services.start(project, ServicesConfig(), silent)
    monkeypatch.setattr(services, "_services", lambda *_: {"old": good, "new": interrupted})
    with pytest.raises(KeyboardInterrupt):
        services.start(project, ServicesConfig(), silent)
    assert services.running(project) == before
    assert [process.is_running() for process in spawned] == [True, False]
    assert services.stop(project) == ["old"]
    assert services.stop(project) == []
    assert not spawned[0].is_running()


def _interrupt() -> bool:
    raise KeyboardInterrupt
