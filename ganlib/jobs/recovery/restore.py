"""`ganlib restore`: a backup into a fresh clone, on this machine or another."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ganlib.core.errors import BadInput, GanlibError
from ganlib.core.events import Remark
from ganlib.core.files import require_space
from ganlib.core.locks import hold
from ganlib.core.progress import Report, doing, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.data.versioning import dvc_cache
from ganlib.data.versioning.dvc import exclusive, pinned
from ganlib.jobs.recovery.archive import DATABASE, DVC_OBJECTS, Archive, BackupManifest, scratch
from ganlib.tracking import snapshot
from ganlib.tracking.database import require_current

_STAGES = ("fetch", "prepare", "own-judge")


class Restoration(Record):
    """What a project has now."""

    folder: Path
    """Of the backup."""
    time: str
    """Of the backup: UTC, ISO 8601."""
    files: int
    versions: int
    data_version: str | None
    """MD5 of the data version in ``data/``; None: the backup has none, or it could not be brought there."""

    def summary(self) -> str:
        """Return a line for people, and what to do next."""
        data = f"data version {self.data_version[:12]}" if self.data_version else "no data version"
        return (
            f"restored the backup of {self.time}: files: {self.files:,}, versions: {self.versions:,}, {data}\n"
            "look at it: ganlib registry verify; ganlib registry list. Keys and passwords are not in a backup: put "
            "signing.key, .ganlib/prefect-auth and the variables of your environment in place"
        )


def restore(project: Project, folder: Path, report: Report = silent) -> Restoration:
    """Bring the backup in ``folder`` into ``project``, a clone without a registry.

    All of the backup is hashed before anything is written. The database comes last, in one step: killed before that,
    the project has no registry, and the same command goes on with what is missing.

    Raises:
        BadInput: the project has a registry, or the folder holds no whole backup. Nothing was changed.
        Corrupt: a file of the backup is damaged; it is named. Nothing was changed.
    """
    archive = Archive(folder)
    manifest = archive.manifest()
    if DATABASE not in manifest.files:
        raise BadInput(f"{folder} has no {DATABASE}: it is no backup of a project. Nothing was changed.")
    snapshot.require_none(project)
    archive.require_whole(manifest, report)
    require_space(project.root, manifest.bytes)
    with hold(project.state / "restore.lock", what="restore", patience=5):
        with scratch(project.state / "restore") as aside:
            database = aside / DATABASE
            archive.extract(DATABASE, manifest.files[DATABASE], database)
            _require_current(database, manifest)
            _extract(project, archive, manifest, report)
            md5 = _data(project, report)
            snapshot.install(database, project)
        versions = len(list(snapshot.model_files(project.root / DATABASE, project)))
    return Restoration(
        folder=folder, time=manifest.time, files=len(manifest.files), versions=versions, data_version=md5
    )


def _require_current(database: Path, manifest: BackupManifest) -> None:
    try:
        require_current(database, "the database of the backup")
    except BadInput as error:
        raise BadInput(
            f"{error}: restore it with the packages of commit {manifest.commit or 'of the backup'}, then upgrade "
            "(docs/troubleshooting.md). Nothing was changed."
        ) from error


def _extract(project: Project, archive: Archive, manifest: BackupManifest, report: Report) -> None:
    """Copy all but the database to where it belongs."""
    store = dvc_cache.local_remote(project) or dvc_cache.cache(project)
    done = 0
    for name, file in sorted(manifest.files.items()):
        report.advance("restore", done, manifest.bytes)
        path = PurePosixPath(name)
        if path.is_relative_to(DVC_OBJECTS):
            archive.extract(name, file, store.root / path.relative_to(DVC_OBJECTS))
        elif name != DATABASE:
            archive.extract(name, file, project.root / path)
        done += file.bytes
    report.advance("restore", manifest.bytes, manifest.bytes)


def _data(project: Project, report: Report) -> str | None:
    """Have DVC bring back the data version that ``dvc.lock`` pins; its MD5 if it is in ``data/`` now."""
    try:
        pins = {stage: pin for stage in _STAGES if (pin := pinned(project, stage))}
        store = dvc_cache.local_remote(project) or dvc_cache.cache(project)
        stages = [stage for stage, pin in pins.items() if store.holds(pin.md5)]
        if stages:
            with exclusive(project) as dvc, doing("bring back the data"):
                dvc.run("pull" if dvc_cache.local_remote(project) else "checkout", "--force", *stages, report=report)
        return pins["prepare"].md5 if "prepare" in stages else None
    except GanlibError as error:  # the registry is whole without
        report.event(Remark("data", {"not restored": f"{error} Then run: ganlib data version"}))
        return None
