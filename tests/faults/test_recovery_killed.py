"""A backup and a restore that are killed in the middle of any file: nothing half is left, and the same again goes on.

From the command line, with a data version of DVC's, for another user, into a clone elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganlib.core.errors import BadInput
from ganlib.core.progress import silent
from ganlib.core.project import Project
from ganlib.jobs.data.version_data import version_data
from ganlib.jobs.recovery.archive import Archive
from ganlib.jobs.recovery.backup import backup
from ganlib.jobs.recovery.restore import restore
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.conftest import ROOT
from tests.support import forks
from tests.unit.data.builders import idx_files, write_files

pytestmark = [pytest.mark.faults, pytest.mark.slow]
NOBODY, NAME = 65534, "mnist-generator"


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that others may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def clone(root: Path) -> Project:
    """What git brings: the code that DVC's stages name, and the settings."""
    project = factories.project(root)
    for name in (".dvc/config", "dvc.yaml"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "ganlib", root / "ganlib", ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
    return project


@pytest.fixture(scope="module")
def made(place: Path) -> Project:
    """A project with a data version, and a champion that is a real graph."""
    project = clone(place / "project")
    shutil.copyfile(factories.empty_database() or "", project.root / "mlflow.db")
    version_data(project, source=write_files(place / "own", idx_files(60, 20)))
    store = connect(project)
    factories.graph(project.root / "g.onnx")
    factories.registered(store, project.root / "g.onnx")
    Registry(store, NAME).set_alias(CHAMPION, 1)
    return project


def _killed_in(step: int, work: Callable[[], object]) -> None:
    """Be killed just before file ``step`` takes its name; exit with 100 if there are fewer."""
    clean, done = Path.replace, [0]

    def replace(self: Path, target: Path) -> Path:
        if done[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        done[0] += 1
        return clean(self, target)

    Path.replace = replace  # type: ignore[method-assign, assignment]
    work()
    os._exit(100)


def _backup(step: int, root: Path, folder: Path) -> None:
    _killed_in(step, lambda: backup(Project(root), folder))


def _restore(step: int, root: Path, folder: Path) -> None:
    _killed_in(step, lambda: restore(Project(root), folder))


def killed(work: Callable[[int, Path, Path], None], step: int, root: Path, folder: Path) -> bool:
    child = forks.forks.Process(target=work, args=(step, root, folder))
    child.start()
    child.join(500)
    assert child.exitcode in (-signal.SIGKILL, 100)
    return child.exitcode == -signal.SIGKILL


def files(folder: Path) -> dict[str, str]:
    manifest = Archive(folder).manifest()
    return {name: file.sha256 for name, file in manifest.files.items() if name != "mlflow.db"}


def test_a_backup_that_is_killed_is_none_and_the_same_again_goes_on(made: Project, place: Path) -> None:
    backup(made, place / "whole")
    folder, number = place / "killed", 0
    last = len(set(files(place / "whole").values())) + 1  # all files, the database, and then the manifest
    for step in (0, 3, last - 4):  # each goes on where the one before was killed
        assert killed(_backup, step, made.root, folder)
        with pytest.raises(BadInput, match="was not finished"):
            Archive(folder).manifest()
        before, number = number, len(list((folder / "objects").glob("*/*")))
        assert number >= before
    backup(made, folder)
    assert files(folder) == files(place / "whole")
    manifest = (folder / "manifest.json").read_bytes()
    (made.state / "ab").mkdir()
    (made.state / "ab" / "outcomes.jsonl").write_text("{}\n")
    assert killed(_backup, 1, made.root, folder), "a newer one into the same folder"
    assert (folder / "manifest.json").read_bytes() == manifest
    Archive(folder).require_whole(Archive(folder).manifest(), silent)


def test_a_restore_elsewhere_goes_on_after_kills_and_another_user_has_models_and_data(
    made: Project, place: Path
) -> None:
    folder = place / "for-another"
    backup(made, folder)
    there = clone(place / "another user")
    total = len(files(folder))
    for step in (2, total // 3, total // 3):  # each of what those before it have left
        assert killed(_restore, step, there.root, folder)
        assert not (there.root / "mlflow.db").exists(), "no half registry"
    restoration = restore(there, folder)  # the same again; DVC is started by an interpreter that others may not enter
    assert restoration.versions == 1
    subprocess.run(["chown", "-R", str(NOBODY), str(there.root)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(there.root), "GANLIB_ROOT": str(there.root), "HOME": "/"}

    def ganlib(*words: str) -> subprocess.CompletedProcess[str]:
        return forks.run(["ganlib", *words], there.root, environment, user=NOBODY)

    shown = ganlib("data", "show", "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["md5"] == restoration.data_version is not None
    for words in (
        ("data", "verify"),
        ("registry", "verify"),
        ("registry", "download", f"models:/{NAME}/1", "--out", "m.onnx"),
    ):
        assert (each := ganlib(*words)).returncode == 0, each.stderr
    assert (there.root / "m.onnx").read_bytes() == (made.root / "g.onnx").read_bytes()
    again = ganlib("restore", str(folder))
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "has a registry already" in again.stderr
