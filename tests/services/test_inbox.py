"""Images that arrive in an inbox, with the real DVC: a data version that knows its parent, and each image once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ganlib import config
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.data.raw import read_report
from ganlib.jobs.data.version_data import verify_data, version_data
from ganlib.jobs.triggers.merge import take_in
from tests.reports import Recorder
from tests.unit.data.builders import dvc_project
from tests.unit.data.importing.pictures import class_folders, noise, save

pytestmark = pytest.mark.services

LATER = 4e9
"""Unix time at which all files have been left alone."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of icons with an inbox, to be copied."""
    project = dvc_project(tmp_path_factory.mktemp("made") / "project")
    text = project.params_file.read_text().replace("inbox: null ", "inbox: inbox ")
    project.params_file.write_text(text)
    icons = class_folders(project.root / "icons", ["cat", "dog"], each=30)
    version_data(project, source=icons, options={"size": 16})
    return project.root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    """A copy of it."""
    project = Project(Path(shutil.copytree(made, tmp_path / "project", symlinks=True)))
    (project.root / "inbox").mkdir()
    return project


def test_new_images_and_the_present_ones_are_a_new_version_with_its_parent(project: Project) -> None:
    old, inbox = verify_data(project), project.root / "inbox"
    for number in range(3):
        save(inbox / "dog" / f"new-{number}.png", noise(seed=9000 + number))
    shutil.copy(inbox / "dog" / "new-0.png", inbox / "dog" / "copy.png")
    shutil.copy(project.root / "icons" / "cat" / "000.png", inbox / "cat.png")
    save(inbox / "bird" / "1.png")
    (inbox / "cat").mkdir()
    (inbox / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    params = config.load(project.params_file)
    told = Recorder()
    done = take_in(project, params, now=LATER, report=told)
    new = verify_data(project)
    assert (done.new_images, done.duplicates, done.data_version, done.parent) == (3, 2, new.md5, old.md5)
    assert done.quarantine.keys() == {"bird/1.png", "cat/broken.png"}
    assert (new.parent, old.parent) == (old.md5, None)
    assert json.loads((project.root / "data" / "lineage.json").read_text())["versions"][new.md5]["images"] == 3
    assert read_report(project.raw).classes == {"cat": 30, "dog": 33}
    assert new.spec == old.spec, "so its models are of the same name, and are compared"
    left = {path.relative_to(inbox).as_posix() for path in inbox.rglob("*") if path.is_file()}
    assert left == {".ganlib.lock", *(f"quarantine/{name}{end}" for name in done.quarantine for end in ("", ".txt"))}
    assert len(list((project.root / "icons").rglob("*.png"))) == 60, "the user's folder is left alone"
    again = take_in(project, config.load(project.params_file), now=LATER)
    assert (again.new_images, again.duplicates, again.data_version) == (0, 0, None)
    save(inbox / "cat" / "last.png", noise(seed=9100))
    last = take_in(project, config.load(project.params_file), now=LATER)
    assert (last.new_images, last.parent) == (1, new.md5)
    assert read_report(project.raw).classes == {"cat": 31, "dog": 33}
    assert len(list((project.root / "data" / "merged").iterdir())) == 1, "the one before is in DVC's cache"


def test_an_inbox_beside_a_source_that_is_no_folder_is_refused_and_stays_as_it_is(project: Project) -> None:
    save(project.root / "inbox" / "dog" / "1.png")
    text = project.params_file.read_text()
    project.params_file.write_text(text.replace("source: icons", "source: mnist"))
    params = config.load(project.params_file)
    with pytest.raises(BadInput, match=r"adds to a folder of pictures, and data\.source is mnist"):
        take_in(project, params, now=LATER)
    assert (project.root / "inbox" / "dog" / "1.png").exists()
