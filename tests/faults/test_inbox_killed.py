"""An inbox that is emptied by a process which is killed with SIGKILL, at each of its moves: each image is kept once.

DVC's own steps are replaced by their outcome: its kills are those of test_data_killed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganlib import config
from ganlib.config import DataConfig
from ganlib.core.files import sha256_file, write_bytes, write_json
from ganlib.core.progress import silent
from ganlib.core.project import Project
from ganlib.core.yaml_edit import lay_over
from ganlib.data.importing import run
from ganlib.data.importing.layout import Source
from ganlib.data.versioning import lineage
from ganlib.data.versioning.dvc_cache import tree, tree_md5
from ganlib.jobs.triggers import inbox, merge
from tests import factories
from tests.support.forks import forks
from tests.unit.data.importing.pictures import class_folders, noise, save

pytestmark = pytest.mark.faults

NEW = 3
LATER = 4e9
MOVES = ((os, "replace"), (os, "rename"), (os, "unlink"), (os, "link"), (os, "mkdir"))
"""What changes a folder, below all that the inbox does."""


def version(project: Project, source: Path | None = None, options: Any = None, report: Any = silent) -> Any:
    """What `version_data` leaves: params.yaml, then the data, then the record of it; done again, the same."""
    if source is not None:
        values = {"source": source.relative_to(project.root).as_posix(), **options}
        write_bytes(project.params_file, lay_over(project.params_file.read_text(), {"data": values}).encode())
    data = config.load(project.params_file).data
    place = project.root / data.source
    shutil.rmtree(project.raw, ignore_errors=True)
    run.run(Source(place, data.max_bytes).layout, "icons", DataConfig(source=str(place), size=16), project.raw, silent)
    write_json(project.root / "pinned.json", {"md5": tree_md5(tree(project.raw))})
    return SimpleNamespace(md5=pinned(project))


def pinned(project: Project) -> str | None:
    path = project.root / "pinned.json"
    return json.loads(path.read_text())["md5"] if path.exists() else None


def prepare() -> None:
    """Have the inbox take that for DVC."""
    merge.version_data = version  # type: ignore[assignment]
    merge.recorded_md5 = pinned


def empty(root: str, step: int) -> None:
    """Empty the inbox in a process of its own, which is killed before move ``step`` (from 0)."""
    prepare()
    left = [step]

    def deadly(move: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return move(*arguments, **options)

        return call

    for module, name in MOVES:
        setattr(module, name, deadly(getattr(module, name)))
    project = Project(Path(root))
    merge.take_in(project, config.load(project.params_file), now=LATER)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = factories.project(tmp_path_factory.mktemp("made") / "project")
    text = project.params_file.read_text().replace("inbox: null ", "inbox: inbox ")
    project.params_file.write_text(text)
    class_folders(project.root / "icons", ["cat", "dog"], each=5, size=(16, 16))
    version(project, project.root / "icons", {"name": None, "size": 16})
    for number in range(NEW):
        save(project.root / "inbox" / "dog" / f"{number}.png", noise((16, 16), seed=9000 + number))
    (project.root / "inbox" / "dog" / "broken.png").write_bytes(b"x")
    return project.root


def test_a_kill_at_any_move_costs_no_image_and_doubles_none(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "version_data", version)
    monkeypatch.setattr(merge, "recorded_md5", pinned)
    parent = pinned(Project(made))
    images = {sha256_file(path) for path in (made / "inbox" / "dog").glob("?.png")}
    codes: Counter[int | None] = Counter()
    step = 0
    while codes[0] == 0:
        project = Project(Path(shutil.copytree(made, tmp_path / f"{step}")))
        process: Any = forks.Process(target=empty, args=(str(project.root), step))
        process.start()
        process.join(300)
        codes[process.exitcode] += 1
        merge.take_in(project, config.load(project.params_file), now=LATER)
        source = project.root / config.load(project.params_file).data.source
        found = Counter(sha256_file(path) for path in source.rglob("*.png"))
        assert set(found.values()) == {1}, step
        assert images <= found.keys(), step
        assert len(found) == 10 + NEW, step
        assert lineage.read(project).versions[pinned(project) or ""].parent == parent, step
        left = sorted(path.name for path in (project.root / "inbox").rglob("[!.]*") if path.is_file())
        assert left == ["broken.png", "broken.png.txt"], step
        assert inbox.scan(project.root / "inbox", 0, LATER) == ((), ()), step
        shutil.rmtree(project.root)
        step += 1
    assert codes.keys() == {0, -signal.SIGKILL}
    assert codes[-signal.SIGKILL] > 12
