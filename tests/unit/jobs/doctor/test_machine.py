"""What the doctor says of the machine, on real disks, locks and repositories."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganlib.core import threads
from ganlib.core.locks import hold
from ganlib.core.project import Project
from ganlib.jobs.doctor import machine
from ganlib.jobs.doctor.finding import HealthContext, HealthFinding
from tests import factories
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return factories.project(tmp_path / "project")


def only(look: Callable[[HealthContext], Iterator[HealthFinding]], project: Project) -> HealthFinding:
    (found,) = look(HealthContext(project))
    return found


@pytest.mark.pins
def test_packages_are_compared_with_the_constraints(project: Project) -> None:
    assert only(machine.versions, project).state == "remark", "there are none"
    shutil.copy(ROOT / "constraints.txt", project.root)
    assert only(machine.versions, project).state == "ok"
    text = (project.root / "constraints.txt").read_text()
    (project.root / "constraints.txt").write_text(text.replace("\nmlflow==", "\nmlflow==0.1\nother=="))
    found = only(machine.versions, project)
    assert (found.state, "mlflow 3" in found.words, "not 0.1" in found.words) == ("remark", True, True)


def test_more_threads_than_cores_are_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert only(machine.cores, project).state == "ok"
    monkeypatch.setenv("OMP_NUM_THREADS", "999")
    found = only(machine.cores, project)
    assert found.cure == f"export OMP_NUM_THREADS={threads.usable_cores()}"


def test_a_full_disk_is_told_with_what_makes_room(small_disk: Path) -> None:
    project = factories.project(small_disk / "project")
    found = {each.subject: each for each in machine.disk(HealthContext(project))}
    assert found["disk"].state == "problem"
    assert "0.0 GB are free" in found["disk"].words
    assert "prune" in str(found["disk"].cure)
    assert found["temporary files"].state == "ok"


def test_a_folder_outside_git_knows_no_commit(project: Project) -> None:
    assert only(machine.git, project).state == "remark"
    assert only(machine.git, Project(ROOT)).words.startswith("commit ")


def test_a_proxy_that_is_asked_for_this_machine_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for spelling in (name, name.upper()):
            monkeypatch.delenv(spelling, raising=False)
    assert only(machine.proxy, project).words == "none is set"
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example:3128")
    found = only(machine.proxy, project)
    assert (found.state, "secret" in found.words) == ("remark", False)
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    assert only(machine.proxy, project).state == "ok"


def test_a_lock_that_somebody_holds_is_named(project: Project) -> None:
    with hold(project.state / "mlflow.lock", what="test"):
        found = only(machine.locks, project)
        assert (found.state, found.words) == ("remark", "held just now: mlflow.lock")
    assert only(machine.locks, project).state == "ok"


def test_a_model_that_ships_is_drawn_from(project: Project) -> None:
    found = only(machine.provider, project)
    assert (found.state, "draws on CPUExecutionProvider" in found.words) == ("ok", True)
