"""What is committed fits together: code, dvc.lock, and the DVC configuration."""

from __future__ import annotations

from pathlib import Path

import yaml

from ganlib import config
from ganlib.core.project import Project
from ganlib.data.mnist import files as mnist
from ganlib.data.versioning import dvc_cache
from ganlib.data.versioning.dvc import pinned


def test_the_lock_was_made_with_the_code_and_parameters_that_are_here(checkout: Path) -> None:
    lock = yaml.safe_load((checkout / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    stages = yaml.safe_load((checkout / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    params = config.load(checkout / "params.yaml").data
    for name in ("fetch", "prepare"):
        assert lock[name]["cmd"] == stages[name]["cmd"]
        for dep in lock[name]["deps"]:
            if dep["path"].endswith(".py"):
                changed = f"{dep['path']} changed: run `ganlib data version` and commit dvc.lock"
                assert dvc_cache.md5_file(checkout / dep["path"]) == dep["md5"], changed
        for key, value in lock[name]["params"]["params.yaml"].items():
            assert getattr(params, key.removeprefix("data.")) == value


def test_the_raw_files_of_the_lock_are_mnist(checkout: Path) -> None:
    raw = pinned(Project(checkout), "fetch")
    assert raw is not None
    assert raw.md5 == "d0193be11ab497254ec667a4864050d9.dir"  # of the four files whose digests mnist.SHA256 pins
    assert len(mnist.SHA256) == 4


def test_the_default_remote_is_a_local_folder_whose_bytes_dvc_verifies(checkout: Path) -> None:
    remote = dvc_cache.local_remote(Project(checkout))
    assert remote is not None
    assert remote.root == (checkout / ".ganlib" / "dvc-remote").resolve()
    text = (checkout / ".dvc" / "config").read_text(encoding="utf-8")
    assert "verify = true" in text
    assert "analytics = false" in text
