"""`ganlib data version` killed with SIGKILL at several moments, or run twice at once, leaves a project that goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.jobs.data.version_data import verify_data, version_data
from tests.unit.data.builders import dvc_project, idx_files, write_files

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The md5 of an undisturbed version."""
    project = dvc_project(tmp_path_factory.mktemp("reference") / "project")
    return version_data(project, source=_own(project)).md5


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without a version, its source beside it."""
    made = dvc_project(tmp_path / "project")
    _own(made)
    return made


def _own(project: Project) -> Path:
    # Large enough that a kill comes before the end.
    return write_files(project.root / "own", idx_files(6_000, 1_000))


def start(project: Project) -> subprocess.Popen[bytes]:
    """The command, in a process group of its own."""
    command = [sys.executable, "-m", "ganlib", "data", "version", "--from", "own"]
    return subprocess.Popen(
        command, cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


MOMENTS: dict[str, Callable[[Project], bool]] = {
    "params.yaml was written": lambda project: "source: own" in project.params_file.read_text(),
    "DVC took its lock": lambda project: _size(project.root / ".dvc" / "tmp" / "rwlock") > 2,
    "raw files appear": lambda project: project.raw.exists() and any(project.raw.iterdir()),
    "prepared files appear": lambda project: project.prepared.exists() and any(project.prepared.iterdir()),
    "the lock file was written": lambda project: (project.root / "dvc.lock").exists(),
    "the push began": lambda project: (project.state / "dvc-remote").exists(),
}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def wait_for(moment: str, project: Project, child: subprocess.Popen[bytes]) -> None:
    """Poll until ``moment``; fail if the child ends before it."""
    while not MOMENTS[moment](project):
        assert child.poll() is None, f"ended before {moment}"
        time.sleep(0.002)


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_killed_with_its_children_it_goes_on_from_there(project: Project, reference: str, moment: str) -> None:
    child = start(project)
    wait_for(moment, project, child)
    os.killpg(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert version_data(project, source=project.root / "own").md5 == reference
    verify_data(project)


@pytest.mark.parametrize("moment", ["raw files appear", "the lock file was written"])
def test_killed_alone_its_orphaned_dvc_is_waited_for(project: Project, reference: str, moment: str) -> None:
    child = start(project)
    wait_for(moment, project, child)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert version_data(project, source=project.root / "own").md5 == reference
    verify_data(project)


def test_killed_while_it_restores_damage_it_still_heals(project: Project, reference: str) -> None:
    version_data(project, source=project.root / "own")
    shutil.rmtree(project.prepared)
    child = start(project)
    wait_for("prepared files appear", project, child)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert version_data(project).md5 == reference
    verify_data(project)


@pytest.mark.parametrize("first_version", [True, False])
def test_a_half_written_lock_file_of_a_killed_run_is_put_right(
    project: Project, reference: str, first_version: bool
) -> None:
    if not first_version:
        version_data(project, source=project.root / "own")
        project.params_file.write_text(project.params_file.read_text() + "\n")
    child = start(project)
    wait_for("DVC took its lock", project, child)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    lock = project.root / "dvc.lock"
    whole = lock.read_bytes() if lock.exists() else b"schema: '2.0'\nstages:\n  fetch:"
    lock.write_bytes(whole[: len(whole) // 2])
    assert version_data(project, source=project.root / "own").md5 == reference
    verify_data(project)
    lock.write_bytes(b"stages: [")  # this time nobody was killed
    with pytest.raises(BadInput, match=r"dvc\.lock is damaged"):
        version_data(project)


def test_a_half_written_lock_of_dvcs_own_is_put_right(project: Project, reference: str) -> None:
    version_data(project, source=project.root / "own")
    (project.root / ".dvc" / "tmp" / "rwlock").write_text('{"read": {')
    assert version_data(project).md5 == reference


def test_two_at_once_both_end_well(project: Project, reference: str) -> None:
    children = [start(project) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    assert version_data(project).md5 == reference
    verify_data(project)
