"""Run under a user id that has no name, as containers are (``docker run --user 12345``)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import project as projects

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(3600)]
NOBODY = "12345"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A project that belongs to nobody in particular, where others than root get to."""
    if os.geteuid():
        pytest.skip("no other user: run the tests as root")
    top = Path(tempfile.mkdtemp(prefix="ganlib-nameless-"))
    top.chmod(0o755)
    made = projects.make(top / "project")
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(top)], check=True)
    yield made
    shutil.rmtree(top)


def run(folder: Path, *arguments: str, home: str | None = None) -> subprocess.CompletedProcess[str]:
    """``python -m ARGUMENTS`` in the project as a user without name, groups and, unless it is given, home."""
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable, "-m", *arguments]
    given = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(folder)}
    environment = {**given, "OMP_NUM_THREADS": "1"} | ({"HOME": home} if home else {})
    prefix = Path(sys.base_prefix)
    hidden = [each for each in prefix.parents if not each.stat().st_mode & 0o001]
    if hidden:  # an interpreter below /root: in its place there is an empty folder that shows it alone
        script = (
            f"mkdir -p {folder.parent}/python && mount --bind {prefix} {folder.parent}/python"
            f" && mount -t tmpfs -o mode=755 tmpfs {hidden[-1]} && mkdir -p {prefix}"
            f' && mount --move {folder.parent}/python {prefix} && exec "$@"'
        )
        command = ["unshare", "--mount", "sh", "-c", script, "sh", *command]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("home", [None, "/", "/nonexistent"])
def test_data_are_versioned(folder: Path, home: str | None) -> None:
    shutil.rmtree(folder / ".dvc" / "tmp", ignore_errors=True)
    done = run(folder, "ganlib", "data", "version", "--json", home=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["train"] > 0


def test_a_model_is_trained_promoted_and_used(folder: Path) -> None:
    done = run(folder, "pipelines", "retrain", "--families", "dcgan", "--budget", "smoke", "--json")
    assert done.returncode == 0, done.stderr
    made = run(folder, "ganlib", "generate", "--count", "10", "--out", "out/ten", "--json", home="/")
    assert made.returncode == 0, made.stderr
    assert (folder / "out/ten").stat().st_uid == int(NOBODY)
