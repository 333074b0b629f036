"""An inbox that is emptied by a process which is killed with SIGKILL, at each of its moves: each image is kept once.

DVC's own steps are replaced by their outcome: its kills are those of test_data_killed.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.data.versioning import lineage
from ganlib.jobs.triggers import merge
from ganlib.jobs.triggers.inbox.folder import FolderInbox
from tests.support import inboxes
from tests.support.forks import forks
from tests.support.inbox_suite import LATER
from tests.unit.data.importing.pictures import noise, save

pytestmark = pytest.mark.faults

NEW = 3
MOVES = ((os, "replace"), (os, "rename"), (os, "unlink"), (os, "link"), (os, "mkdir"))
"""What changes a folder, below all that the inbox does."""


def spoil(before: Callable[[], None]) -> None:
    """Have ``before`` called before each move."""

    def spoilt(move: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            before()
            return move(*arguments, **options)

        return call

    for module, name in MOVES:
        setattr(module, name, spoilt(getattr(module, name)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = inboxes.make(tmp_path_factory.mktemp("made") / "project", "inbox")
    for number in range(NEW):
        save(project.root / "inbox" / "dog" / f"{number}.png", noise((16, 16), seed=9000 + number))
    (project.root / "inbox" / "dog" / "broken.png").write_bytes(b"x")
    return project.root


def test_a_kill_at_any_move_costs_no_image_and_doubles_none(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, stand_in in inboxes.STAND_INS.items():
        monkeypatch.setattr(merge, name, stand_in)
    parent = inboxes.pinned(Project(made))
    images = {sha256_file(path) for path in (made / "inbox" / "dog").glob("?.png")}
    codes: Counter[int | None] = Counter()
    step = 0
    while codes[0] == 0:
        project = Project(Path(shutil.copytree(made, tmp_path / f"{step}")))
        process: Any = forks.Process(target=inboxes.empty_and_die, args=(str(project.root), step, spoil, {}))
        process.start()
        process.join(300)
        codes[process.exitcode] += 1
        inboxes.empty(project)
        found = inboxes.images(project)
        assert set(found.values()) == {1}, step
        assert images <= found.keys(), step
        assert len(found) == inboxes.FIRST + NEW, step
        assert lineage.read(project).versions[inboxes.pinned(project) or ""].parent == parent, step
        left = sorted(path.name for path in (project.root / "inbox").rglob("[!.]*") if path.is_file())
        assert left == ["broken.png", "broken.png.txt"], step
        assert FolderInbox(project.root / "inbox").scan(0, LATER) == ((), ()), step
        shutil.rmtree(project.root)
        step += 1
    assert codes.keys() == {0, -signal.SIGKILL}
    assert codes[-signal.SIGKILL] > 12
