"""A project whose inbox is emptied without DVC, whose steps are replaced by their outcome."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ganlib import config
from ganlib.config import DataConfig
from ganlib.core.files import sha256_file, write_bytes, write_json
from ganlib.core.progress import silent
from ganlib.core.project import Project
from ganlib.core.yaml_edit import lay_over
from ganlib.data.importing import run
from ganlib.data.importing.layout import Source
from ganlib.data.versioning.dvc_cache import tree, tree_md5
from ganlib.jobs.triggers import merge
from ganlib.jobs.triggers.merge import Intake
from tests import factories
from tests.support.inbox_suite import LATER
from tests.unit.data.importing.pictures import class_folders

FIRST = 10
"""Images that the project has before anything is in the inbox."""


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
    """The md5 that `recorded_md5` returns for it."""
    path = project.root / "pinned.json"
    return json.loads(path.read_text())["md5"] if path.exists() else None


STAND_INS = {"version_data": version, "recorded_md5": pinned}
"""What is put in place of the merge's own."""


def make(root: Path, inbox: str) -> Project:
    """A project with :data:`FIRST` icons of cats and dogs, whose inbox is ``inbox``."""
    project = factories.project(root)
    text = project.params_file.read_text().replace("inbox: null ", f"inbox: {inbox} ")
    project.params_file.write_text(text)
    class_folders(project.root / "icons", ["cat", "dog"], each=FIRST // 2, size=(16, 16))
    version(project, project.root / "icons", {"name": None, "size": 16})
    return project


def empty(project: Project) -> Intake:
    """Empty its inbox."""
    return merge.take_in(project, config.load(project.params_file), now=LATER)


def images(project: Project) -> Counter[str]:
    """Digests of the images of its data source, and how often each is there."""
    source = project.root / config.load(project.params_file).data.source
    return Counter(sha256_file(path) for path in source.rglob("*.png"))


def empty_and_die(root: str, step: int, spoil: Callable[[Callable[[], None]], None], environment: Any) -> None:
    """Empty the inbox in a process of its own, which is killed before move ``step`` (from 0).

    Args:
        root: of the project.
        step: which move.
        spoil: has what it is given called before each move.
        environment: variables of the process.
    """
    os.environ.update(environment)
    for name, stand_in in STAND_INS.items():
        setattr(merge, name, stand_in)
    left = [step]

    def step_on() -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    spoil(step_on)
    empty(Project(Path(root)))
