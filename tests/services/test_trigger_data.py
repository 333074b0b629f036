"""Images that arrive in an inbox, and data versions of before, with the real git and DVC; no training."""

from __future__ import annotations

import json
import shutil
import subprocess
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from ganlib import config
from ganlib.core.errors import BadInput, GanlibError
from ganlib.core.project import Project
from ganlib.data.raw import read_report
from ganlib.data.splits import load_split
from ganlib.data.versioning.record import DataVersion
from ganlib.jobs.data.version_data import verify_data, version_data
from ganlib.jobs.triggers import backfill as module
from ganlib.jobs.triggers.backfill import backfill, choose
from ganlib.jobs.triggers.merge import Intake, take_in
from ganlib.tracking.claims import Claims
from ganlib.tracking.store import connect
from tests import factories
from tests.unit.data.builders import dvc_project
from tests.unit.data.importing.pictures import class_folders, noise, save

pytestmark = pytest.mark.services

LATER = 4e9
"""Unix time at which all files have been left alone."""


class History(NamedTuple):
    """A project whose inbox was emptied twice, each data version committed."""

    project: Project
    versions: list[DataVersion]
    intakes: list[Intake]


def commit(project: Project) -> None:
    words = ["git", "-C", str(project.root), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*words, "add", "dvc.lock", "params.yaml", "dvc.yaml"], capture_output=True, check=True)
    subprocess.run([*words, "commit", "-qm", "data"], capture_output=True, check=True)


def empty(project: Project) -> Intake:
    return take_in(project, config.load(project.params_file), now=LATER)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """60 icons; then an inbox of three new ones, two that are there, and two that cannot be used; then one more."""
    project = dvc_project(tmp_path_factory.mktemp("made") / "project")
    subprocess.run(["git", "-C", str(project.root), "init", "-q"], check=True)
    if database := factories.empty_database():
        shutil.copyfile(database, project.root / "mlflow.db")
    project.params_file.write_text(project.params_file.read_text().replace("inbox: null ", "inbox: inbox "))
    icons, inbox = class_folders(project.root / "icons", ["cat", "dog"], each=30), project.root / "inbox"
    versions, intakes = [version_data(project, source=icons, options={"size": 16})], []
    commit(project)
    for number in range(3):
        save(inbox / "dog" / f"new-{number}.png", noise(seed=9000 + number))
    shutil.copy(inbox / "dog" / "new-0.png", inbox / "dog" / "copy.png")
    shutil.copy(icons / "cat" / "000.png", inbox / "cat.png")
    save(inbox / "bird" / "1.png")
    (inbox / "cat").mkdir()
    (inbox / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for _ in range(2):
        intakes.append(empty(project))
        versions.append(verify_data(project))
        commit(project)
        save(inbox / "cat" / "last.png", noise(seed=9100))
    (inbox / "cat" / "last.png").unlink()
    return History(project, versions, intakes)


def test_new_images_and_the_present_ones_are_a_new_version_with_its_parent(history: History) -> None:
    project, (old, new, last), (first, second) = history
    assert (first.new_images, first.duplicates, first.data_version, first.parent) == (3, 2, new.md5, old.md5)
    assert first.quarantine.keys() == {"bird/1.png", "cat/broken.png"}
    assert (second.new_images, second.data_version, second.parent) == (1, last.md5, new.md5)
    assert [version.parent for version in history.versions] == [None, old.md5, new.md5]
    lineage = json.loads((project.root / "data" / "lineage.json").read_text())["versions"]
    assert {md5: entry["images"] for md5, entry in lineage.items()} == {new.md5: 3, last.md5: 1}
    assert read_report(project.raw).classes == {"cat": 31, "dog": 33}
    assert new.spec == old.spec, "so its models are of the same name, and are compared"
    inbox = project.root / "inbox"
    left = {path.relative_to(inbox).as_posix() for path in inbox.rglob("[!.]*") if path.is_file()}
    assert left == {f"quarantine/{name}{end}" for name in first.quarantine for end in ("", ".txt")}
    assert len(list((project.root / "icons").rglob("*.png"))) == 60, "the user's folder is left alone"
    assert len(list((project.root / "data" / "merged").iterdir())) == 1, "the one before is in DVC's cache"
    assert empty(project) == Intake()


def test_an_inbox_beside_a_source_that_is_no_folder_is_refused_and_stays_as_it_is(history: History) -> None:
    image = save(history.project.root / "inbox" / "dog" / "1.png")
    text = history.project.params_file.read_text()
    params = config.load(history.project.params_file, ["data.source=mnist"])
    with pytest.raises(BadInput, match=r"adds to a folder of pictures, and data\.source is mnist"):
        take_in(history.project, params, now=LATER)
    assert history.project.params_file.read_text() == text
    image.unlink()


def test_each_earlier_data_version_is_trained_on_once_and_the_present_one_stays(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, (first, second, third), _ = history
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    params = config.load(project.params_file)
    assert [version.md5 for version in choose(project, "..")] == [each.md5 for each in history.versions]
    before = {name: (project.root / name).read_bytes() for name in ("params.yaml", "dvc.lock")}
    images: list[tuple[str, int, str]] = []

    def retrain(side: Project, settings: Any, *, data: Any, **_: Any) -> Any:
        images.append((data.md5, len(load_split(side.prepared, "train").images), connect(side).uri))
        if data.md5 == second.md5:
            raise GanlibError("diverged")
        return SimpleNamespace(decision=SimpleNamespace(summary=lambda: "version 1 promoted\nmore"))

    monkeypatch.setattr(module, "retrain", retrain)
    span = f"{first.md5[:6]}..{second.md5[:8]}"
    listing = backfill(project, params, span, dry_run=True)
    assert [row.outcome for row in listing.rows] == ["to be trained"] * 2
    done = backfill(project, params, span, families=["vae"])
    assert [(row.data_version, row.outcome, row.failed) for row in done.rows] == [
        (first.md5, "version 1 promoted", False), (second.md5, "diverged", True),
    ]  # fmt: skip
    uri = f"sqlite:///{project.root / 'mlflow.db'}"
    assert images == [(each.md5, each.counts["train"], uri) for each in (first, second)]
    (again,) = backfill(project, params, first.md5[:6], families=["vae"]).rows
    assert again.outcome.startswith("nothing to do: the same data, settings and code were retrained")
    claims = Claims(connect(project), params.registry.model).read()
    assert [each.claim.causes for each in claims] == [("backfill",)] * 2
    assert {name: (project.root / name).read_bytes() for name in before} == before
    assert list((project.state / "backfill").iterdir()) == []
    assert verify_data(project).md5 == third.md5
    with pytest.raises(BadInput, match=rf"no data version 'abcdef' .* there are: {first.md5[:12]}, {second.md5[:12]}"):
        choose(project, "abcdef..")
    with pytest.raises(BadInput, match="Write the older one first"):
        choose(project, f"{third.md5[:6]}..{first.md5[:6]}")
