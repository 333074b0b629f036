"""`ganlib backup`: all that a project's registry and data versions are, in a folder, while its servers run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from ganlib.core.events import Remark
from ganlib.core.files import write_bytes
from ganlib.core.progress import Report, doing, silent
from ganlib.core.project import Project, source
from ganlib.core.record import Record
from ganlib.core.redact import redacted
from ganlib.data.versioning import dvc_cache
from ganlib.jobs.recovery.archive import (
    ARTIFACTS,
    DATABASE,
    DVC_LOCK,
    DVC_OBJECTS,
    LINEAGE,
    PARAMS,
    STATE,
    Archive,
    BackupFile,
    BackupManifest,
    scratch,
)
from ganlib.tracking import snapshot
from ganlib.tracking.elsewhere import bring

_LEDGER = ".ganlib/ledger"


class Backup(Record):
    """What a backup holds, and what it could not get."""

    folder: Path
    files: int
    bytes: int
    versions: int
    """Of all registered models, whose graphs are in it."""
    gaps: tuple[str, ...]
    """Versions whose graph is not in it, and objects of DVC that are damaged wherever they are, with reasons."""

    def summary(self) -> str:
        """Return a line for people, and one for each gap."""
        line = f"{self.folder}: {self.files:,} files, {self.bytes:,} bytes; whole versions: {self.versions:,}"
        return "\n".join([line, *(f"not in it: {gap}" for gap in self.gaps)])


def backup(project: Project, folder: Path, report: Report = silent) -> Backup:
    """Copy database, artifacts, ledgers, DVC's objects, checkpoints, ``params.yaml`` and ``dvc.lock`` to ``folder``.

    Servers and commands may be at work meanwhile: the database is of one moment, and what it speaks of is older. No
    password and no key goes along. A backup that is there already is replaced in one step; only what is new is copied.

    Raises:
        BadInput: the folder holds something else or cannot be written, or the database is behind another's server.
        Unavailable: MLflow does not answer, or another backup into this folder runs.
    """
    archive, files, gaps = Archive(folder), dict[str, BackupFile](), list[str]()
    with archive.writing():
        # What was seen of ledgers must not be newer than the ledgers in the database.
        files |= _copies(archive, list(_below(project, _LEDGER)), report, "ledgers")
        with scratch(folder / "new") as aside:
            database = aside / DATABASE
            with doing("copy MLflow's database"):
                store = snapshot.take(project, database)
            files |= _copies(archive, bring(store, database, aside / "artifacts"), report, "artifacts from elsewhere")
            files[DATABASE] = archive.add(database)
            models = list(snapshot.model_files(database, project))
            params = aside / PARAMS
            write_bytes(params, redacted(project.params_file.read_text(encoding="utf-8")).encode())
            files[PARAMS] = archive.add(params)
        places = [place for place in (ARTIFACTS, *STATE) if place != _LEDGER]
        rest = [pair for place in places for pair in _below(project, place)]
        rest += [(name, path) for name in (DVC_LOCK, LINEAGE) if (path := project.root / name).exists()]
        files |= _copies(archive, rest, report, "files")
        objects, damages = _objects(project)
        gaps += damages
        files |= _copies(archive, objects, report, "data")
        for each in models:
            file = files.get(each.path or "")
            if file is None or file.sha256 != each.sha256:
                gaps.append(f"the graph of version {each.version} of {each.model}: {_why(each, file)}")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = BackupManifest(time=now, commit=source(project.root).commit, files=files)
        archive.commit(manifest)
    whole = len(models) - sum(gap.startswith("the graph") for gap in gaps)
    return Backup(folder=folder, files=len(files), bytes=manifest.bytes, versions=whole, gaps=tuple(gaps))


def _why(model: snapshot.ModelFile, file: BackupFile | None) -> str:
    if file is not None:
        return f"{model.path} is not what was registered"
    return f"{model.path} is gone" if model.path else "its artifacts are not in this project's folder"


def _below(project: Project, place: str) -> Iterator[tuple[str, Path]]:
    """Yield the files below ``place`` with their names from the project's folder; none that is half, or a link."""
    for here, _, names in os.walk(project.root / place):
        for name in sorted(names):
            path = Path(here) / name
            if not (name.endswith((".part", ".lock")) or path.is_symlink()):
                yield path.relative_to(project.root).as_posix(), path


def _objects(project: Project) -> tuple[list[tuple[str, Path]], list[str]]:
    """The objects of DVC's cache and of a remote that is a folder, each once and whole; and those that are damaged."""
    remote = dvc_cache.local_remote(project)
    stores = [*([remote] if remote else []), dvc_cache.cache(project)]
    objects, damages = dict[str, Path](), dict[str, str]()
    for path in (path for store in stores for path in store.objects()):
        name = f"{path.parent.name}{path.name}"
        key = f"{DVC_OBJECTS}/files/md5/{path.parent.name}/{path.name}"
        if key in objects:
            continue
        if dvc_cache.md5_file(path) == name.removesuffix(".dir"):
            objects[key] = path
        else:
            damages[key] = f"{path}, which is damaged"
    return list(objects.items()), [text for key, text in damages.items() if key not in objects]


def _copies(
    archive: Archive, sources: Iterable[tuple[str, Path]], report: Report, stage: str
) -> Iterator[tuple[str, BackupFile]]:
    """Yield the name and the digest of each file that was copied."""
    sizes = {name: _size(path) for name, path in sources} if isinstance(sources, list) else {}
    done, total = 0, sum(sizes.values())
    for number, (name, path) in enumerate(sources, 1):
        report.advance(f"copy {stage}", done if sizes else number, total or number)
        done += sizes.get(name, 0)
        try:
            yield name, archive.add(path)
        except FileNotFoundError:  # removed since the folder was listed
            report.event(Remark("backup", {"gone meanwhile": name}))
    if sizes:
        report.advance(f"copy {stage}", total, total)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
