"""The data in the working tree against what ``dvc.lock`` pins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_file
from ganlib.core.project import Project, source
from ganlib.data.versioning import dvc_cache, lineage
from ganlib.data.versioning.dvc import OutputPin, pinned
from ganlib.data.versioning.record import DataVersion, Summary

AGAIN = "To repair what can be repaired, run: ganlib data version"
Stage = Literal["fetch", "prepare"]
STAGES: tuple[Stage, ...] = ("fetch", "prepare")


class Damage(NamedTuple):
    """A file that is not as pinned. ``actual`` is None if it is missing, ``expected`` if it is extra."""

    path: Path
    expected: str | None
    actual: str | None
    algorithm: str = "md5"

    def facts(self) -> dict[str, str]:
        """For a progress report."""
        return {
            "file": str(self.path),
            "expected": self.expected or "no file",
            "found": self.actual or "no file",
        }

    def error(self, project: Project) -> BadInput:
        """In the user's words."""
        name = self.path.relative_to(project.root) if self.path.is_relative_to(project.root) else self.path
        if self.actual is None:
            return BadInput(f"{name} is missing. {AGAIN}")
        if self.expected is None:
            return BadInput(f"{name} does not belong to the data version. {AGAIN}")
        return Corrupt(name, expected=self.expected, actual=self.actual, hint=AGAIN, algorithm=self.algorithm)


def folder_of(project: Project, stage: Stage) -> Path:
    """The output of ``stage``."""
    return project.raw if stage == "fetch" else project.prepared


def required(project: Project, stage: Stage) -> OutputPin:
    """The stage's record in ``dvc.lock``. Raises :class:`BadInput` if there is none."""
    pin = pinned(project, stage)
    if pin is None:
        raise BadInput("there is no data version yet. Run: ganlib data version")
    return pin


def damages(project: Project, stage: Stage) -> list[Damage]:
    """How the stage's output differs from what ``dvc.lock`` pins, file by file. All of its bytes are read.

    Raises:
        BadInput: nothing is pinned.
    """
    record = required(project, stage)
    folder = folder_of(project, stage)
    files = dvc_cache.tree(folder)
    if not files:
        return [Damage(folder, record.md5, None)]
    actual = dvc_cache.tree_md5(files)
    if actual == record.md5:
        return []
    listing = _listing(project, record.md5)
    problems = list(_compare(folder, listing, files)) if listing else list(_by_summary(project, folder))
    return problems or [Damage(folder, record.md5, actual)]


def object_damages(project: Project) -> Iterator[Damage]:
    """Damaged objects of the pinned version in DVC's cache, and in the default remote if it is local."""
    remote = dvc_cache.local_remote(project)
    for store in (dvc_cache.cache(project), *([remote] if remote else [])):
        for stage in STAGES:
            for path, expected, actual in store.damaged(required(project, stage).md5):
                yield Damage(path, expected, actual)


def _listing(project: Project, md5: str) -> dict[str, str] | None:
    remote = dvc_cache.local_remote(project)
    return dvc_cache.cache(project).listing(md5) or (remote.listing(md5) if remote else None)


def _compare(folder: Path, expected: Mapping[str, str], actual: Mapping[str, str]) -> Iterator[Damage]:
    for name in sorted({*expected, *actual}):
        if expected.get(name) != actual.get(name):
            yield Damage(folder / name, expected.get(name), actual.get(name))


def _by_summary(project: Project, folder: Path) -> Iterator[Damage]:
    """Without DVC's listing: by the digests in summary.json, if that can be read."""
    try:
        content = summary(project)
    except BadInput:
        return
    for name, sha256 in (content.raw if folder == project.raw else content.files).items():
        path = folder / name
        actual = sha256_file(path) if path.is_file() else None
        if actual != sha256:
            yield Damage(path, sha256, actual, "sha256")


def summary(project: Project) -> Summary:
    """What ``prepare`` wrote of the splits.

    Raises:
        BadInput: the file is missing or is no such record.
    """
    path = project.prepared / "summary.json"
    try:
        return Summary.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadInput(f"{path} cannot be read. {AGAIN}") from error


def describe(project: Project) -> DataVersion:
    """The data version that ``dvc.lock`` pins and ``data/prepared`` holds; its bytes are not read."""
    fetch, prepare, content, tree = (
        *map(required, (project, project), STAGES),
        summary(project),
        source(project.root),
    )
    made_of = lineage.read(project).versions.get(prepare.md5)
    return DataVersion(
        md5=prepare.md5,
        raw_md5=fetch.md5,
        commit=tree.commit,
        dirty=tree.dirty,
        source=str(fetch.params["data.source"]),
        source_sha256=content.raw,
        counts=content.counts,
        twins=content.twins,
        spec=content.spec,
        parent=made_of.parent if made_of else None,
    )
