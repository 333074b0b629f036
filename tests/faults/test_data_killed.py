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
COUNT = 600
"""Images to train on: each of the command's processes takes longer to start than to handle them."""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project without a version, its source beside it."""
    made = dvc_project(tmp_path_factory.mktemp("bare") / "project")
    write_files(made.root / "own", idx_files(COUNT, 100))
    return made


@pytest.fixture(scope="module")
def versioned(bare: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same with its version, which nothing disturbed."""
    made = _copy(bare, tmp_path_factory.mktemp("versioned"))
    version_data(made, source=made.root / "own")
    return made


@pytest.fixture(scope="module")
def reference(versioned: Project) -> str:
    """The md5 of an undisturbed version."""
    return verify_data(versioned).md5


@pytest.fixture
def project(bare: Project, tmp_path: Path) -> Project:
    """A project of the test's own, without a version."""
    return _copy(bare, tmp_path)


def _copy(project: Project, folder: Path) -> Project:
    return Project(Path(shutil.copytree(project.root, folder / "project", symlinks=True)))


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


def test_killed_while_it_restores_damage_it_still_heals(versioned: Project, reference: str, tmp_path: Path) -> None:
    project = _copy(versioned, tmp_path)
    shutil.rmtree(project.prepared)
    child = start(project)
    wait_for("prepared files appear", project, child)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert version_data(project).md5 == reference
    verify_data(project)


@pytest.mark.parametrize("first_version", [True, False])
def test_a_half_written_lock_file_of_a_killed_run_is_put_right(
    bare: Project, versioned: Project, reference: str, first_version: bool, tmp_path: Path
) -> None:
    project = _copy(bare if first_version else versioned, tmp_path)
    if not first_version:
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


def test_a_half_written_lock_of_dvcs_own_is_put_right(versioned: Project, reference: str, tmp_path: Path) -> None:
    project = _copy(versioned, tmp_path)
    (project.root / ".dvc" / "tmp" / "rwlock").write_text('{"read": {')
    assert version_data(project).md5 == reference


def test_two_at_once_both_end_well(project: Project, reference: str) -> None:
    children = [start(project) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    assert version_data(project).md5 == reference
    verify_data(project)
