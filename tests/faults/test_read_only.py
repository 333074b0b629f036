"""A project that may be read and not written: what reads works without a lock, what writes says so in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.conftest import ROOT
from tests.support import forks

pytestmark = [pytest.mark.faults, pytest.mark.slow]
NOBODY = 65534
READ = (
    ("registry", "list"),
    ("registry", "show", "1"),
    ("registry", "history"),
    ("registry", "verify"),
    ("data", "show"),
    ("families",),
    ("explain", "champion"),
)
WRITE = (
    ("promote", "1"),
    ("registry", "prune"),
    ("train", "vae"),
    ("tune", "vae"),
    ("data", "version"),
    ("generate", "--count", "5", "--out", "images"),
    ("reconcile",),
)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A project with a champion, in a folder that others may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield with_champion(Path(folder) / "project")


def with_champion(folder: Path) -> Path:
    root = factories.project(folder, factories.empty_database()).root
    for name in (".dvc/config", "dvc.lock", "dvc.yaml"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "data", root / "data")
    store = connect(factories.Project(root))
    factories.graph(root / "g.onnx")
    factories.registered(store, root / "g.onnx")
    Registry(store, "mnist-generator").set_alias(CHAMPION, 1)
    return root


Run = Callable[..., subprocess.CompletedProcess[str]]


def runner(root: Path, user: int | None = None) -> Run:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "GANLIB_ROOT": str(root), "HOME": "/"}
        return forks.run(["ganlib", *words], root, environment, user=user)

    return run


@pytest.fixture(params=["file system", "another user's"], scope="module")
def guarded(made: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A command line in that project, on a read-only mount or as a user who owns nothing in it."""
    if os.geteuid():
        pytest.skip("no mount and no other user: run the tests as root")
    if request.param != "file system":
        yield runner(made, NOBODY)
        return
    mount = tmp_path_factory.mktemp("mounted")
    for words in (("--bind", str(made), str(mount)), ("-o", "remount,ro,bind", str(mount))):
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no mount: run the tests where root may mount ({done.stderr.strip()})")
    yield runner(mount)
    subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.timeout(1800)
def test_what_reads_works_without_a_lock(guarded: Run) -> None:
    for words in READ:
        done = guarded(*words)
        assert done.returncode == 0, (words, done.stderr)
        assert "Traceback" not in done.stderr, words


@pytest.mark.timeout(1800)
def test_what_writes_says_in_one_line_that_it_may_not(guarded: Run, made: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    for words in WRITE:
        done = guarded(*words)
        assert "Traceback" not in done.stderr, (words, done.stderr)
        if done.returncode:  # one that has nothing to write may go through
            assert done.returncode == 2, (words, done.stderr)
            last = done.stderr.splitlines()[-1]
            assert last.startswith("ganlib: "), (words, done.stderr)
            assert "ermission denied" in last or "ead-only" in last or "readonly" in last, (words, last)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before
