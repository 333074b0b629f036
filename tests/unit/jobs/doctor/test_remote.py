"""A remote whose bytes are not what their names say: DVC pushes nothing, the doctor sees it and writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.core.project import Project
from ganlib.data.versioning import dvc_cache
from ganlib.data.versioning.dvc import exclusive
from ganlib.jobs.data.version_data import version_data
from ganlib.jobs.doctor.finding import HealthContext, HealthFinding
from ganlib.jobs.doctor.remote import remote
from tests.unit.data.builders import dvc_project, flip, idx_files, write_files


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = dvc_project(tmp_path_factory.mktemp("remote") / "project")
    version_data(project, source=write_files(project.root / "own", idx_files(60, 20)))
    return project


def look(project: Project, *, fix: bool = False, deep: bool = True) -> list[HealthFinding]:
    return list(remote(HealthContext(project, fix=fix, deep=deep)))


def stored(project: Project, name: str) -> Path:
    """Where the remote has a file of data/prepared."""
    store = dvc_cache.local_remote(project)
    assert store
    return store.path(dvc_cache.md5_file(project.prepared / name))


def test_a_damaged_and_a_missing_object_are_named_and_written_anew(project: Project) -> None:
    (found,) = look(project)
    assert (found.state, "were read back and are whole" in found.words) == ("ok", True)
    names = sorted(path.name for path in project.prepared.iterdir())[:2]
    damaged, missing = (stored(project, name) for name in names)
    whole = damaged.read_bytes()
    damaged.chmod(0o644)
    flip(damaged)
    missing.unlink()
    with exclusive(project) as dvc:
        dvc.run("push", "prepare")
    assert damaged.read_bytes() != whole, "a push mends nothing"
    first, second = look(project)
    assert {first.state, second.state} == {"problem"}
    assert f"data/prepared/{names[0]}" in first.words
    assert "is damaged" in first.words
    assert f"data/prepared/{names[1]}" in second.words
    assert "is not there" in second.words
    assert all(each.cured for each in look(project, fix=True))
    assert damaged.read_bytes() == whole
    assert look(project)[0].state == "ok"


def test_what_no_copy_has_whole_is_not_called_mended(project: Project) -> None:
    name = sorted(path.name for path in project.prepared.iterdir())[0]
    place, tree = stored(project, name), project.prepared / name
    cache = dvc_cache.cache(project).path(dvc_cache.md5_file(tree))
    whole = tree.read_bytes()
    for path in (place, cache, tree):
        path.chmod(0o644)
        path.write_bytes(whole[:-1])
    try:
        (found,) = look(project, fix=True)
        assert (found.state, found.cured, "no copy here is sound" in str(found.cure)) == ("problem", False, True)
    finally:
        for path in (place, cache, tree):
            path.write_bytes(whole)


def test_a_sample_reads_the_listings_and_a_few_files(project: Project) -> None:
    (few,), (all_of_them,) = look(project, deep=False), look(project)
    assert few.words.startswith("6 objects")
    assert int(all_of_them.words.split()[0]) > 6


def test_a_clone_that_has_made_no_data_version_yet_is_not_called_damaged(project: Project, tmp_path: Path) -> None:
    clone = dvc_project(tmp_path / "clone")
    (clone.root / "dvc.lock").write_bytes((project.root / "dvc.lock").read_bytes())
    (found,) = look(clone)
    assert (found.state, found.cure) == ("remark", "ganlib data version")
