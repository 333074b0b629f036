"""Which remote is DVC's: the one of params.yaml, else that of its own configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.core.project import Project
from ganlib.data.versioning import dvc, dvc_cache
from tests import factories

OWN = "[core]\n    remote = store\n['remote \"store\"']\n    url = ../kept\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = factories.project(tmp_path / "project")
    (made.root / ".dvc").mkdir()
    (made.root / ".dvc/config").write_text(OWN)
    return made


def test_dvc_itself_is_told_the_remote_of_params_yaml_and_has_its_own_again_without(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remote() -> Path:
        store = dvc_cache.local_remote(project)
        assert store
        return store.root

    local = project.root / ".dvc/config.local"
    assert remote() == project.root / "kept"
    with dvc.exclusive(project):
        assert not local.exists()
    monkeypatch.setenv("GANLIB_SERVICES_DVC_REMOTE", "other")
    assert remote() == project.root / "other", "before DVC was told, too"
    with dvc.exclusive(project) as one:
        written = local.read_text()
        one.run("status", "--cloud")  # what it was told is a remote to it
    assert "remote = services" in written
    with dvc.exclusive(project):
        assert local.read_text() == written
    monkeypatch.setenv("GANLIB_SERVICES_DVC_REMOTE", "s3://bucket/dvc")
    assert dvc_cache.has_remote(project)
    assert dvc_cache.local_remote(project) is None
    monkeypatch.delenv("GANLIB_SERVICES_DVC_REMOTE")
    with dvc.exclusive(project):
        assert remote() == project.root / "kept"
    assert "services" not in local.read_text()
    assert (project.root / ".dvc/config").read_text() == OWN
