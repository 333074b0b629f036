"""A project is renamed, and copied, between its commands: README's verbs go on in the new folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.services import project as projects
from tests.support.forks import Command

pytestmark = [pytest.mark.services, pytest.mark.slow]


def verb(folder: Path, *words: str) -> Any:
    done = projects.run(folder, "ganlib", *words, "--json", timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def promoted(folder: Path, run: str) -> None:
    """Register and promote what ``run`` has trained."""
    verb(folder, "promote", str(verb(folder, "register", run)["version"]))


def interrupted(folder: Path) -> str:
    """A training that was stopped after its first checkpoint; its run."""
    words = ["train", "vae", "--budget", "some", "--json"]
    before = set((folder / ".ganlib" / "runs").glob("*/checkpoint.pt"))
    training = Command(["ganlib", *words], folder, projects.environment(folder))
    while not (made := set((folder / ".ganlib" / "runs").glob("*/checkpoint.pt")) - before):
        assert training.poll() is None
        time.sleep(0.05)
    training.send_signal(signal.SIGTERM)
    training.communicate()
    assert training.returncode == 130
    return next(iter(made)).parent.name


@pytest.mark.timeout(7200)
def test_a_moved_project_goes_on_and_a_copy_leaves_the_original_byte_for_byte(tmp_path: Path) -> None:
    first = projects.make(tmp_path / "first")
    params = yaml.safe_load((first / "params.yaml").read_text())
    params["budgets"]["some"] = {"steps": 400, "seconds": 600}
    params["train"] |= {"checkpoint_seconds": 0.1, "checks": 0}
    params["families"]["vae"] = {"channels": 8, "batch_size": 32, "latent_dim": 10}
    (first / "params.yaml").write_text(yaml.safe_dump(params))
    promoted(first, verb(first, "train", "vae")["run_id"])
    stopped = interrupted(first)
    moved = first.rename(tmp_path / "a second place")
    shutil.rmtree(moved / ".ganlib" / "cache" / "models", ignore_errors=True)  # the champion has to come from MLflow

    assert [each["aliases"] for each in verb(moved, "registry", "list")] == [["champion"]]
    assert verb(moved, "generate", "--model", "champion", "--count", "50", "--out", "images")["count"] == 50
    verb(moved, "evaluate", "champion")
    assert verb(moved, "train", "vae", "--budget", "some", "--resume", stopped)["run_id"] == stopped
    promoted(moved, stopped)
    assert not first.exists(), "nothing was written into the old folder"

    copy = Path(shutil.copytree(moved, tmp_path / "copy"))
    before = digest(moved)
    gone = verb(copy, "registry", "prune", "--keep", "0")
    assert gone["versions"]
    verb(copy, "generate", "--model", "champion", "--count", "50", "--out", "more")
    assert digest(moved) == before
    verb(moved, "registry", "verify")
