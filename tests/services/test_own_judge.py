"""A data version's own judge, by real DVC: trained once, kept, restored, mended, and never half there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganlib.config import load
from ganlib.core.errors import Corrupt
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.data.versioning.state import describe
from ganlib.evaluation.judge.judge import Judge
from ganlib.jobs.data.judge import folder, judge_for, judge_sha256_for, own_card, train_judge
from tests import shapes
from tests.reports import Recorder

pytestmark = [pytest.mark.services]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Judge]:
    """A project whose judge was trained by whoever asked for it first."""
    project = shapes.project(tmp_path_factory.mktemp("own") / "project")
    assert judge_sha256_for(project, load(project.params_file), describe(project)) is None
    return project, judge_for(project, load(project.params_file), describe(project))


def copy(project: Project, to: Path) -> Project:
    return Project(shutil.copytree(project.root, to, symlinks=True))


def test_it_is_trained_once(made: tuple[Project, Judge]) -> None:
    project, judge = made
    params, data = load(project.params_file), describe(project)
    report = Recorder()
    again = judge_for(project, params, data, report)
    assert (again.sha256, report.stages) == (judge.sha256, [])
    assert judge_sha256_for(project, params, data) == judge.sha256
    assert "own-judge" in (project.root / "dvc.lock").read_text()


def test_other_data_get_another_judge_and_the_first_comes_back_with_its_data(
    made: tuple[Project, Judge], tmp_path: Path
) -> None:
    project = copy(made[0], tmp_path / "project")
    params, first = load(project.params_file), describe(project)
    shapes.replace_data(project, shapes.UNLABELLED, 120, seed=9)
    second = describe(project)
    assert own_card(project, params, second) is None
    judge = judge_for(project, params, second)
    assert (judge.class_names, judge.sha256 != made[1].sha256) == ((), True)
    shapes.replace_data(project, shapes.SHAPES, 200, seed=0)
    report = Recorder()
    back = judge_for(project, params, first, report)
    assert back.sha256 == made[1].sha256
    assert "train judge" not in report.stages, "DVC has kept it"


def test_a_damaged_judge_is_refused_and_made_again_to_the_byte(made: tuple[Project, Judge], tmp_path: Path) -> None:
    project = copy(made[0], tmp_path / "project")
    params, data = load(project.params_file), describe(project)
    path = folder(project) / f"judge-{made[1].sha256}.onnx"
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(Corrupt, match="ganlib judge train"):
        judge_for(project, params, data)
    card = train_judge(project, params, data)
    assert card.sha256 == made[1].sha256 == sha256_file(path)


def test_a_training_that_is_killed_leaves_nothing_half_and_the_next_one_is_whole(
    made: tuple[Project, Judge], tmp_path: Path
) -> None:
    project = shapes.project(tmp_path / "project", steps=100_000)
    lock = (project.root / "dvc.lock").read_bytes()
    command = [sys.executable, "-m", "ganlib", "judge", "train", "--json"]
    environment = {**os.environ, "GANLIB_ROOT": str(project.root)}
    with subprocess.Popen(
        command, cwd=project.root, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        for line in child.stderr or ():
            if '"train judge"' in line:  # it is among its steps
                break
        os.killpg(child.pid, signal.SIGKILL)
    _wait_for_the_end(project)
    params, data = load(project.params_file), describe(project)
    assert judge_sha256_for(project, params, data) is None
    assert not list(folder(project).glob("*")) if folder(project).exists() else True
    assert (project.root / "dvc.lock").read_bytes() == lock
    shutil.copy(made[0].params_file, project.params_file)  # twenty steps
    assert judge_for(project, load(project.params_file), data).sha256 == made[1].sha256


def _wait_for_the_end(project: Project) -> None:
    """DVC starts a stage in a session of its own, which outlives it: end what trains in this project, too."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            mine = f"GANLIB_ROOT={project.root}\0".encode() in (process / "environ").read_bytes() + b"\0"
        except OSError:
            continue
        if mine:
            os.kill(int(process.name), signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and any(_holds(project, process) for process in Path("/proc").glob("[0-9]*")):
        time.sleep(0.05)


def _holds(project: Project, process: Path) -> bool:
    try:
        return str(project.root).encode() in (process / "environ").read_bytes()
    except OSError:
        return False
