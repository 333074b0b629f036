"""New images with the present data version's: a new data version that knows its parent.

Each merged source is a folder of its own in ``data/merged``, made under another name and renamed once it is whole;
images leave the inbox only after a data version holds them, and what it holds already is not taken twice. So a kill at
any moment costs no image and doubles none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pydantic import Field, ValidationError

from ganlib import config as configs
from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.events import Remark
from ganlib.core.files import explained, require_space, sha256_bytes, sha256_file, write_bytes, write_json
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.data import fetch, known
from ganlib.data.importing import folders, idx_files, parquet, table
from ganlib.data.importing.decode import Rules
from ganlib.data.importing.files import open_files
from ganlib.data.importing.names import own_name
from ganlib.data.importing.picture import Layout
from ganlib.data.raw import read_report
from ganlib.data.versioning import lineage
from ganlib.data.versioning.lineage import DataLineage
from ganlib.jobs.data.version_data import recorded_md5, version_data
from ganlib.jobs.triggers.inbox import inbox_of
from ganlib.jobs.triggers.inbox.base import Arrival, Arrivals, Inbox
from ganlib.jobs.triggers.inbox.objection import objection

LINEAGE = ".lineage.json"
"""In a merged source: a :class:`DataLineage`, for the data version that is made of it."""


class Intake(Record):
    """What became of an inbox."""

    new_images: int = 0
    """Images that are in the new data version and were not in the one before."""
    duplicates: int = 0
    """Files whose content the data version had already."""
    quarantine: dict[str, str] = Field({}, description="name in the inbox -> why it was not taken")
    waiting: int = 0
    """Files that may still be being written."""
    data_version: str | None = None
    """md5 of the new data version; None: there is none."""
    parent: str | None = None

    @property
    def summary(self) -> str:
        """One line."""
        text = f"inbox: {self.new_images:,} images taken"
        text += f" into data version {self.data_version[:12]}" if self.data_version else ""
        text += f", {self.duplicates:,} were there already" if self.duplicates else ""
        text += f", {len(self.quarantine):,} put in quarantine" if self.quarantine else ""
        return text + (f", {self.waiting:,} still being written" if self.waiting else "")


class _Base(NamedTuple):
    """The present source."""

    place: Path
    layout: Layout


def require_folder(project: Project, params: Params) -> Path:
    """Return the folder that is the data source.

    Raises:
        BadInput: it is none, so new images cannot be merged with it.
    """
    source = params.data.source
    place = fetch.user_place(project.root, source)
    if source in known.names() or not place.is_dir():
        raise BadInput(
            f"triggers.inbox adds to a folder of pictures, and data.source is {source}, which is none that is here. "
            "Make one the source first: ganlib data version --from FOLDER. Nothing was taken out of the inbox."
        )
    return place


def take_in(project: Project, params: Params, *, now: float, report: Report = silent) -> Intake:
    """Take what is ready out of ``triggers.inbox`` and make it, with the present source, the new data version.

    Args:
        project: the checkout.
        params: names the inbox.
        now: Unix time, by which a file was left alone long enough or not.
        report: told of progress and of what was put in quarantine.

    Returns:
        What became of the files; nothing where no inbox is set.

    Raises:
        BadInput: the inbox or the source cannot be used. What was in the inbox is still there.
        Unavailable: the store cannot be reached, or another process takes images in and does not end.
    """
    inbox = inbox_of(project, params.triggers)
    if inbox is None:
        return Intake()
    require_folder(project, params)
    with inbox.hold():
        arrivals = inbox.scan(params.triggers.still_seconds, now)
        if not arrivals.ready and not _is_unfinished(project):
            return Intake(waiting=len(arrivals.waiting))
        version_data(project, report=report)  # brings what a killed process had begun to its end
        _finish(project)
        return _take(project, configs.load(project.params_file), inbox, arrivals, report)


def _take(project: Project, params: Params, inbox: Inbox, listing: Arrivals, report: Report) -> Intake:
    base = _base(project, params)
    present = {sha256_file(base.place / name) for name in base.layout.files}
    rules = Rules(**read_report(project.raw).rules.model_dump())
    arrivals: dict[str, Arrival] = {}
    repeats: list[Arrival] = []
    quarantine: dict[str, str] = {}
    waiting = len(listing.waiting)
    contents = inbox.in_parallel(inbox.read, listing.ready)
    for done, (file, arrival) in enumerate(zip(listing.ready, contents, strict=True)):
        if arrival is None:
            waiting += 1
        elif arrival.sha256 in present or arrival.sha256 in arrivals:
            repeats.append(arrival.without_content)
        elif reason := objection(arrival, rules, base.layout.class_names):
            inbox.set_aside(arrival, reason)
            quarantine[file.name] = reason
            report.event(Remark("quarantine", {file.name: reason}))
        else:
            write_bytes(_incoming(project) / arrival.sha256, arrival.content)  # for good: the inbox's own is removed
            arrivals[arrival.sha256] = arrival.without_content
        report.advance("check the inbox", done + 1, len(listing.ready))
    intake = Intake(duplicates=len(repeats), quarantine=quarantine, waiting=waiting)
    if arrivals:
        intake = _version(project, base, arrivals, intake, report)
    list(inbox.in_parallel(inbox.remove, (*arrivals.values(), *repeats)))
    return intake


def _version(project: Project, base: _Base, arrivals: Mapping[str, Arrival], intake: Intake, report: Report) -> Intake:
    """Make the merged source and a data version of it."""
    parent = recorded_md5(project)
    if parent is None:
        raise BadInput("there is no data version yet. Run: ganlib data version. Nothing was taken out of the inbox.")
    source = _merge(project, base, arrivals, parent, report)
    config = configs.load(project.params_file).data
    name = config.name or own_name(config.source)
    data = version_data(project, source=source, options={"name": name}, report=report)
    _finish(project)
    return intake.model_copy(update={"new_images": len(arrivals), "data_version": data.md5, "parent": parent})


def _source(project: Project) -> Path:
    return fetch.user_place(project.root, configs.load(project.params_file).data.source)


def _is_unfinished(project: Project) -> bool:
    """Whether the present source is a merged one whose data version, or lineage, is not recorded: a kill left it so."""
    known_lineage = recorded_md5(project) in lineage.read(project).versions
    return (_source(project) / LINEAGE).exists() and not known_lineage


def _finish(project: Project) -> None:
    """Record the present data version's lineage, and remove merged sources that it has made needless."""
    source, md5 = _source(project), recorded_md5(project)
    try:
        text = (source / LINEAGE).read_bytes()
        if md5:
            lineage.record(project, md5, DataLineage.model_validate_json(text))
    except (OSError, ValidationError):
        pass  # a folder of the user's
    remove_former(_merged(project), source)


def remove_former(place: Path, source: Path) -> None:
    """Remove the folders in ``place`` that ``source`` has all files of, and those that a kill left half.

    What no other folder has stays, such as the merged source of another data set: it is in the inbox no more.
    """
    for folder in place.glob("*"):
        if folder == source:
            continue
        names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        if folder.suffix == ".half" or all((source / name).exists() for name in names):
            shutil.rmtree(folder, ignore_errors=True)


def _merge(project: Project, base: _Base, arrivals: Mapping[str, Arrival], parent: str, report: Report) -> Path:
    """Make the folder of all pictures of ``base`` and ``arrivals``, whole or not at all; the same for the same ones."""
    folder = _merged(project) / sha256_bytes("\n".join([parent, *sorted(arrivals)]).encode())[:16]
    half = folder.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    ours = base.place.is_relative_to(_merged(project))  # nobody writes there, so one file may have two names
    require_space(project.root, 0 if ours else _size(base))
    with explained(half, 0):
        for done, name in enumerate(base.layout.files):
            target = half / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(base.place / name, target) if ours else shutil.copyfile(base.place / name, target)
            report.advance("merge the images", done + 1, len(base.layout.files))
        folders = _folders(base.layout)
        for sha256, arrival in arrivals.items():
            label = PurePosixPath(arrival.name).parts[0] if base.layout.class_names else None
            target = half / folders[label] / f"{sha256[:16]}{Path(arrival.name).suffix.lower()}"
            target.parent.mkdir(parents=True, exist_ok=True)
            (_incoming(project) / sha256).rename(target)
        record = DataLineage(
            parent=parent, images=len(arrivals), origin="inbox", time=datetime.now(UTC).isoformat(timespec="seconds")
        )
        write_json(half / LINEAGE, record.model_dump(mode="json"))
        shutil.rmtree(folder, ignore_errors=True)
        half.rename(folder)
    return folder


def _base(project: Project, params: Params) -> _Base:
    """The present source, whose layout must be one of folders."""
    place = require_folder(project, params)
    files = open_files(place, params.data.max_bytes)
    others: Sequence[bool] = (parquet.is_parquet(place), bool(idx_files.pairs(files)), bool(table.tables(files)))
    if any(others):
        raise BadInput(
            f"triggers.inbox adds to folders of pictures, and {params.data.source} has a table, Parquet or IDX files. "
            "Nothing was taken out of the inbox."
        )
    return _Base(place, folders.recognise(files))


def _folders(layout: Layout) -> Mapping[str | None, str]:
    """The folder of the source for new images of each class: where its first training picture lies."""
    folders: dict[str | None, str] = {}
    for picture in sorted(layout.pictures(), key=lambda picture: picture.split == "test"):
        folders.setdefault(picture.label, str(PurePosixPath(picture.name).parent))
    return folders


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _size(base: _Base) -> int:
    return sum((base.place / name).stat().st_size for name in base.layout.files)


def _merged(project: Project) -> Path:
    return project.root / "data" / "merged"


def _incoming(project: Project) -> Path:
    """Where new images are, by digest, until all are checked: there may be more than fit into memory."""
    return _merged(project) / "incoming.half"
