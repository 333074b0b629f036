"""Data versions with the real DVC, in projects of their own, on small sets of images."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ganlib.core.errors import BadInput, Corrupt, Unavailable
from ganlib.core.project import Project
from ganlib.data.splits import Split, load_split
from ganlib.data.versioning import dvc, dvc_cache, state
from ganlib.jobs.data.preview import preview_data
from ganlib.jobs.data.version_data import current_data, recorded_md5, verify_data, version_data
from tests.reports import Recorder
from tests.unit.data.builders import digits, dvc_project, flip, idx_files, png_folders, write_files
from tests.unit.data.importing.pictures import class_folders

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a first data version, to be copied."""
    project = dvc_project(tmp_path_factory.mktemp("made") / "project")
    version_data(project, source=write_files(project.root / "own", idx_files()))
    return project.root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    """A copy of it."""
    return Project(Path(shutil.copytree(made, tmp_path / "project", symlinks=True)))


def dvc_says(project: Project, *words: str) -> str:
    """What the DVC command line prints."""
    command = [sys.executable, "-m", "dvc", *words]
    environment = dvc.environment(project)
    done = subprocess.run(command, cwd=project.root, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_version_is_recorded_pushed_and_clean_and_the_next_call_does_nothing(project: Project) -> None:
    told = Recorder()
    data = version_data(project, report=told)
    assert data.md5 == recorded_md5(project) == dvc_cache.tree_md5(dvc_cache.tree(project.prepared))
    assert data.counts == {"train": 220, "validation": 20, "test": 100}
    assert told.stages == ["git"], "no stage ran"
    assert current_data(project) == verify_data(project) == data
    assert "up to date" in dvc_says(project, "status", "fetch", "prepare")
    assert "in sync" in dvc_says(project, "status", "--cloud", "fetch", "prepare")


def test_a_flipped_byte_is_refused_by_name_and_healed_by_the_next_version(project: Project) -> None:
    victim = project.prepared / "train-images.npy"
    whole = victim.read_bytes()
    before = current_data(project)
    flip(victim)
    damaged = victim.read_bytes()
    for check in (current_data, verify_data):
        with pytest.raises(Corrupt, match=r"data/prepared/train-images\.npy is damaged: expected md5 \w+, found \w+"):
            check(project)
    told = Recorder()
    assert version_data(project, report=told) == before
    assert victim.read_bytes() == whole
    assert any("train-images.npy" in words and "expected" in words for words in told.remarks)
    assert (project.state / "set-aside" / "data" / "prepared" / "train-images.npy").read_bytes() == damaged
    assert verify_data(project) == before


def test_damage_that_dvc_would_restore_from_its_cache_is_healed_from_the_remote(project: Project) -> None:
    before = current_data(project)
    victim = _cached(project, "train-images.npy")
    flip(victim)
    victim.chmod(0o444)
    shutil.rmtree(project.prepared)
    with pytest.raises(BadInput, match=r"data/prepared is missing"):
        verify_data(project)
    told = Recorder()
    assert version_data(project, report=told) == before
    assert any(words.startswith("damaged copy removed") for words in told.remarks)
    assert "prepare" not in told.stages, "it came from the remote"
    assert verify_data(project) == before


def test_damage_everywhere_is_healed_by_making_the_files_again(project: Project) -> None:
    before = current_data(project)
    remote = dvc_cache.local_remote(project)
    assert remote is not None
    for victim in (
        _cached(project, "train-images.npy"),
        remote.path(_cached(project, "train-images.npy").parent.name + _cached(project, "train-images.npy").name),
    ):
        flip(victim)
        victim.chmod(0o444)
    shutil.rmtree(project.prepared)
    assert version_data(project) == before
    assert verify_data(project) == before


def test_a_damaged_copy_in_the_cache_is_found_by_verify(project: Project) -> None:
    victim = _cached(project, "test-images.npy")
    flip(victim)
    with pytest.raises(Corrupt, match=victim.name):
        verify_data(project)


def _cached(project: Project, name: str) -> Path:
    store = dvc_cache.cache(project)
    listing = store.listing(state.required(project, "prepare").md5)
    assert listing is not None
    return store.path(listing[name])


def test_a_folder_of_pngs_gives_a_new_version_and_going_back_gives_the_old_one(
    project: Project, tmp_path: Path
) -> None:
    old = current_data(project)
    text = project.params_file.read_text()
    pngs = png_folders(tmp_path / "pngs", digits(420, seed=9))
    new = version_data(project, source=pngs)
    assert new.md5 != old.md5
    assert new.raw_md5 != old.raw_md5
    assert new.counts == {"train": 330, "validation": 30, "test": 60}
    assert new.source == "../pngs"  # relative, so that both can be moved together
    changed = project.params_file.read_text()
    assert len(changed.splitlines()) == len(text.splitlines())
    assert changed.count("#") == text.count("#"), "comments stay"
    assert verify_data(project) == new
    assert version_data(project, source=project.root / "own") == old
    assert project.params_file.read_text() == text


def test_a_changed_folder_is_refused_until_it_is_made_a_new_version(project: Project) -> None:
    old = current_data(project)
    write_files(project.root / "own", idx_files(seed=4))
    with pytest.raises(BadInput, match=r"own has changed: its recorded digest is \w+, now it is \w+\. .* --from"):
        version_data(project)
    assert current_data(project) == old, "the old version stays usable"
    assert version_data(project, source=project.root / "own").md5 != old.md5


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("empty", "holds no pictures"),
        ("one class", "one class only"),
        ("truncated", "truncated"),
        ("unreadable", r"30 of 30 pictures \(100\.0%\) cannot be read"),
        ("too few", "validation split: none of 14 images is left"),
        ("missing", "is not there"),
    ],
)
def test_a_source_that_cannot_be_used_changes_nothing(project: Project, tmp_path: Path, fault: str, words: str) -> None:
    bad = tmp_path / "bad"
    match fault:
        case "empty":
            bad.mkdir()
        case "one class":
            png_folders(bad, Split(digits(30).images, np.zeros(30, np.int64)))
        case "truncated":
            write_files(bad, {name: data[:-1] for name, data in idx_files().items()})
        case "unreadable":
            for path in png_folders(bad, digits(30)).rglob("*.png"):
                path.write_bytes(b"x")
        case "too few":
            png_folders(bad, digits(14))
    before = {path: path.read_bytes() for path in (project.params_file, project.root / "dvc.lock")}
    with pytest.raises(BadInput, match=words):
        version_data(project, source=bad)
    assert {path: path.read_bytes() for path in before} == before
    assert not (project.state / "cache" / "imports").exists()
    verify_data(project)


def test_pictures_in_colour_of_named_classes_are_a_version_with_its_own_spec(project: Project, tmp_path: Path) -> None:
    icons = class_folders(tmp_path / "My Icons", ["cat", "dog", "ant"], each=40)
    data = version_data(project, source=icons, options={"size": 16, "background": "#102030"})
    assert data.spec.name == "my-icons"
    assert data.spec.class_names == ("ant", "cat", "dog")
    assert data.spec.image.dims == (3, 16, 16)
    assert sum(data.counts.values()) == 120
    part = load_split(project.prepared, "train")
    assert part.images.shape[1:] == (3, 16, 16)
    params = project.params_file.read_text()
    assert "size: 16 " in params
    assert "background: '#102030' " in params
    assert verify_data(project) == current_data(project) == data
    told = Recorder()
    assert version_data(project, report=told) == data
    assert told.stages == ["git"], "no stage ran"


def test_a_preview_says_what_would_become_of_the_pictures_and_changes_nothing(project: Project, tmp_path: Path) -> None:
    icons = class_folders(tmp_path / "icons", ["cat", "dog"], each=40)
    (icons / "cat" / "notes.txt").write_text("x")
    before = {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}
    preview = preview_data(project, source=icons, options={"size": 16})
    assert preview.imported.classes == {"cat": 40, "dog": 40}
    assert preview.counts == {"train": 64, "validation": 5, "test": 11}
    assert "not used   notes.txt" in str(preview)
    assert {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()} == before


def test_a_clone_with_the_remote_needs_no_source(project: Project, tmp_path: Path) -> None:
    old = current_data(project)
    clone = dvc_project(tmp_path / "clone")
    for name in ("dvc.lock", "params.yaml"):
        shutil.copy(project.root / name, clone.root / name)
    shutil.copytree(project.state / "dvc-remote", clone.state / "dvc-remote")
    told = Recorder()
    assert version_data(clone, report=told) == old
    assert any("is not here: DVC's copy is used" in words for words in told.remarks)
    assert not {"fetch", "prepare"} & set(told.stages)
    assert verify_data(clone) == old


def test_parameters_that_changed_since_are_refused_until_the_version_is_made(project: Project) -> None:
    old = current_data(project)
    text = project.params_file.read_text()
    project.params_file.write_text(re.sub(r"(?s)(^data:.*?  seed: )0", r"\g<1>3", text, count=1, flags=re.MULTILINE))
    with pytest.raises(BadInput, match=r"params\.yaml has data\.seed: 3, but the data was made with 0"):
        current_data(project)
    assert version_data(project).md5 != old.md5
    current_data(project)


def test_a_stages_own_words_and_exit_code_come_back(project: Project) -> None:
    text = project.params_file.read_text()
    shutil.move(project.root / "own", project.root / "elsewhere")
    project.params_file.write_text(text.replace("source: own", "source: gone"))
    with pytest.raises(BadInput, match=r"^data source .*gone is not there\.$"):
        version_data(project)


def test_a_busy_dvc_is_waited_for_and_then_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = project.root / ".dvc" / "tmp" / "rwlock"
    entry = {"write": {str(project.prepared): {"pid": os.getpid(), "cmd": "dvc repro by somebody"}}, "read": {}}
    lock.write_text(json.dumps(entry))
    monkeypatch.setattr(dvc, "WAIT", 2.0)
    with pytest.raises(Unavailable, match=r"another DVC process kept `dvc repro` waiting: .*dvc repro by somebody"):
        version_data(project)
    entry["write"][str(project.prepared)]["pid"] = 2**22 + 1  # nobody's, as after a kill
    lock.write_text(json.dumps(entry))
    version_data(project)


def test_a_remote_that_cannot_be_reached_leaves_a_usable_version_and_says_so(project: Project) -> None:
    (project.root / ".dvc" / "config.local").write_text("['remote \"store\"']\n    url = http://127.0.0.1:9/none\n")
    with pytest.raises(Unavailable, match="is made and can be used here, but not pushed"):
        version_data(project)
    current_data(project)


def test_git_revision_and_dirt_are_recorded(project: Project) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        command = ["git", "-C", str(project.root), *identity, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    data = version_data(project)
    assert (data.commit, data.dirty) == (None, False)
    git("init", "-q")
    git("add", "params.yaml", "dvc.lock", "dvc.yaml")
    git("commit", "-qm", "x")
    data = version_data(project)
    assert (data.commit, data.dirty) == (git("rev-parse", "HEAD"), False)
    project.params_file.write_text(project.params_file.read_text() + "\n")
    assert version_data(project).dirty


def test_the_command_line_shows_verifies_and_refuses(project: Project) -> None:
    def ganlib(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ganlib", "data", *words],
            cwd=project.root,
            capture_output=True,
            text=True,
            check=False,
        )

    shown = ganlib("show", "--json")
    assert json.loads(shown.stdout) == json.loads(current_data(project).model_dump_json())
    assert "(unchanged)" in ganlib("version").stdout
    assert "every byte is as recorded" in ganlib("verify").stdout
    flip(project.prepared / "test-labels.npy", 150)
    refused = ganlib("verify")
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stderr.startswith("ganlib: data/prepared/test-labels.npy is damaged: expected md5 ")
    assert ganlib("version", "--from", "nowhere").returncode == 2
