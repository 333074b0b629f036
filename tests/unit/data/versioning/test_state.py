"""The bytes in the tree against dvc.lock, without DVC."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.data.prepare import prepare
from ganlib.data.versioning import dvc, dvc_cache, state
from tests.unit.data.builders import flip, idx_files, imported, write_files

WHOLE = f"stages: {{fetch: {{cmd: x, outs: [{{md5: {'a' * 32}}}]}}}}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose lock file pins what its tree holds."""
    here = Project(tmp_path)
    imported(write_files(tmp_path / "own", idx_files()), here.raw)
    prepare(here.raw, here.prepared, DataConfig(source="own"))
    stages = {
        name: {
            "cmd": f"make {name}",
            "outs": [{"md5": dvc_cache.tree_md5(dvc_cache.tree(state.folder_of(here, name)))}],
            "params": {"params.yaml": {"data.source": "own"}},
        }
        for name in state.STAGES
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    return here


def store_listing(project: Project, stage: state.Stage) -> None:
    """Put the listing of a stage's output into the cache, as DVC does."""
    files = dvc_cache.tree(state.folder_of(project, stage))
    path = dvc_cache.cache(project).path(dvc_cache.tree_md5(files))
    path.parent.mkdir(parents=True)
    entries = ", ".join(f'{{"md5": "{md5}", "relpath": "{name}"}}' for name, md5 in sorted(files.items()))
    path.write_text(f"[{entries}]")


def test_a_folders_hash_is_the_one_that_dvc_computes() -> None:
    files = {  # the raw MNIST files and the hash that DVC gave them
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    }
    assert dvc_cache.tree_md5(files) == "d0193be11ab497254ec667a4864050d9.dir"


@pytest.mark.parametrize("stage", state.STAGES)
def test_whole_data_has_no_damage(project: Project, stage: state.Stage) -> None:
    assert state.damages(project, stage) == []


@pytest.mark.parametrize("listed", [True, False])
def test_a_flipped_byte_is_named_with_expected_and_actual(project: Project, listed: bool) -> None:
    if listed:
        store_listing(project, "prepare")
    path = project.prepared / "test-images.npy"
    digest = dvc_cache.md5_file if listed else sha256_file
    expected = digest(path)
    flip(path)
    (found,) = state.damages(project, "prepare")
    assert (found.path, found.expected, found.actual) == (path, expected, digest(path))
    with pytest.raises(Corrupt, match=rf"data/prepared/test-images\.npy is damaged: expected \w+ {expected}"):
        raise found.error(project)


@pytest.mark.parametrize("listed", [True, False])
def test_a_missing_file_is_named(project: Project, listed: bool) -> None:
    if listed:
        store_listing(project, "fetch")
    (project.raw / "labels.npy").unlink()
    (found,) = state.damages(project, "fetch")
    with pytest.raises(BadInput, match=r"data/raw/labels\.npy is missing\. To repair"):
        raise found.error(project)


def test_an_extra_file_is_named(project: Project) -> None:
    store_listing(project, "fetch")
    (project.raw / "notes").write_text("x")
    (found,) = state.damages(project, "fetch")
    assert "data/raw/notes does not belong to the data version" in str(found.error(project))


def test_an_altered_summary_is_noticed_even_without_dvcs_listing(project: Project) -> None:
    flip(project.prepared / "summary.json", 5)
    (found,) = state.damages(project, "prepare")
    assert found.path == project.prepared


def test_a_summary_that_lies_about_a_file_is_noticed(project: Project) -> None:
    path = project.prepared / "test-labels.npy"
    before = sha256_file(path)
    flip(path, 200)
    summary = project.prepared / "summary.json"
    summary.write_text(summary.read_text().replace(before, sha256_file(path)))
    assert state.damages(project, "prepare") != []


def test_a_version_is_described_from_lock_and_summary(project: Project) -> None:
    data = state.describe(project)
    assert data.md5 == dvc_cache.tree_md5(dvc_cache.tree(project.prepared))
    assert data.id == data.md5[:12]
    assert data.counts == {"train": 220, "validation": 20, "test": 100}
    assert data.source == "own"
    assert data.source_sha256 == {path.name: sha256_file(path) for path in project.raw.iterdir()}


def test_no_lock_file_means_no_version(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no data version yet"):
        state.damages(Project(tmp_path), "fetch")


@pytest.mark.parametrize(
    "text",
    [
        "{{{",
        "[]",
        "stages: 3",
        "stages: {fetch: {outs: []}}",
        "stages: {fetch: {outs: [{md5: 3}]}}",
        "",
        WHOLE[:45],
        WHOLE[:-4],
    ],
)
def test_a_damaged_lock_file_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.lock").write_text(text)
    with pytest.raises(BadInput, match=r"dvc\.lock is damaged .*git checkout dvc\.lock"):
        dvc.pinned(Project(tmp_path), "fetch")


def test_damaged_objects_of_a_store_are_found(project: Project) -> None:
    store_listing(project, "prepare")
    store = dvc_cache.cache(project)
    md5 = state.required(project, "prepare").md5
    assert not store.holds(md5)
    files = dvc_cache.tree(project.prepared)
    for name, file in files.items():
        write_files(store.path(file).parent, {store.path(file).name: (project.prepared / name).read_bytes()})
    assert store.holds(md5)
    assert list(store.damaged(md5)) == []
    victim = store.path(files["train-images.npy"])
    flip(victim)
    assert [(path, expected) for path, expected, _ in store.damaged(md5)] == [(victim, files["train-images.npy"])]
    flip(store.path(md5), 20)
    assert [path for path, *_ in store.damaged(md5)] == [store.path(md5)]
    assert not store.holds(md5)


def test_the_stages_of_a_whole_lock_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(WHOLE)
    found = dvc.pinned(Project(tmp_path), "fetch")
    assert found is not None
    assert found.md5 == "a" * 32
    assert dvc.pinned(Project(tmp_path), "prepare") is None


@pytest.mark.parametrize("lost", [b"", b"schema: '2.0'\nstages:\n", b"schema: '2.0'\nstages:\n  fetch:\n    cmd: x\n"])
def test_a_lock_file_that_a_killed_run_left_in_pieces_comes_back(project: Project, lost: bytes) -> None:
    lock = project.root / "dvc.lock"
    whole = lock.read_bytes()

    class Killed(BaseException):
        """What the end of the process looks like from inside."""

    with pytest.raises(Killed), dvc.keep_lock_file(project):
        lock.write_bytes(lost)
        raise Killed
    with dvc.keep_lock_file(project):
        assert lock.read_bytes() == whole
    lock.write_bytes(lost)
    with pytest.raises(BadInput, match=r"dvc\.lock is damaged"), dvc.keep_lock_file(project):
        pytest.fail("damage that no killed run explains is for the user to see")


def test_a_lock_file_that_lost_a_stage_comes_back(project: Project) -> None:
    lock = project.root / "dvc.lock"
    whole = lock.read_bytes()
    (project.state / "dvc.lock.before").parent.mkdir()
    (project.state / "dvc.lock.before").write_bytes(whole)
    lock.write_text(WHOLE)
    with dvc.keep_lock_file(project):
        assert lock.read_bytes() == whole
