"""A backup: a folder of files under the names of their sha256, and a manifest that says where each belongs.

The manifest appears last and in one step, so that a backup is always one of a single state, also while a newer one is
made into the same folder; and what a killed backup has copied is not copied again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import atomic_path, explained, require_space, sha256_file, write_json
from ganlib.core.locks import hold
from ganlib.core.progress import Report
from ganlib.core.record import Record

DATABASE, PARAMS, DVC_LOCK, LINEAGE = "mlflow.db", "params.yaml", "dvc.lock", "data/lineage.json"
DVC_OBJECTS, ARTIFACTS = "dvc", "mlruns"
STATE = (*(f".ganlib/{name}" for name in ("ab", "ledger", "runs", "spool")), "data/merged")
"""Outcomes of A/B tests, what was seen of ledgers, checkpoints, metric values not sent yet, what came by an inbox."""

_MANIFEST, _OBJECTS = "manifest.json", "objects"


def _safe(name: str) -> str:
    """A name that stays inside the places that a backup is of, whoever wrote the manifest."""
    path = PurePosixPath(name)
    inside = any(path.is_relative_to(place) for place in (DVC_OBJECTS, ARTIFACTS, *STATE))
    if ".." in path.parts or not (inside or name in (DATABASE, PARAMS, DVC_LOCK, LINEAGE)):
        raise ValueError(f"{name} is no place that a backup has")
    return name


class BackupFile(Record):
    """One file."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class BackupManifest(Record):
    """All files of a backup."""

    format: Literal[1] = 1
    time: str
    """When it was complete: UTC, ISO 8601."""
    commit: str | None
    """Git revision of the project's code."""
    files: dict[Annotated[str, AfterValidator(_safe)], BackupFile]
    """By their place from the project's folder; ``dvc/`` stands for DVC's remote."""

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(file.bytes for file in self.files.values())


class Archive:
    """The folder of a backup."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self.folder = folder

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for one writer, and make it if need be.

        Raises:
            BadInput: it holds something that is no backup, or cannot be written.
            Unavailable: another process writes it.
        """
        if self.folder.suffix in (".tar", ".gz", ".tgz", ".zip"):
            raise BadInput(
                f"{self.folder}: a backup is a folder, so that one that was killed goes on and the next copies only "
                "what is new. Name a folder, then pack it: tar -cf BACKUP.tar FOLDER. Nothing was written."
            )
        with explained(self.folder, 0):
            strangers = {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()
        if strangers and _OBJECTS not in strangers:
            raise BadInput(f"{self.folder} is not empty and is no backup: name another folder. Nothing was written.")
        with explained(self.folder, 0):
            (self.folder / _OBJECTS).mkdir(parents=True, exist_ok=True)
        with hold(self.folder / "lock", what="backup into this folder", patience=5):
            yield

    def path(self, file: BackupFile) -> Path:
        """Return where the bytes of ``file`` are."""
        return self.folder / _OBJECTS / file.sha256[:2] / file.sha256[2:]

    def add(self, source: Path) -> BackupFile:
        """Copy ``source``, unless its bytes are there and whole; what was copied is what counts, if it changes now.

        Raises:
            FileNotFoundError: it is gone.
            NoSpace, BadInput: the folder cannot be written.
        """
        size = source.stat().st_size
        file = BackupFile(sha256=sha256_file(source), bytes=size)
        if self._is_whole(file):
            return file
        require_space(self.folder, size)
        incoming = self.folder / "incoming"
        with explained(incoming, size):
            shutil.copyfile(source, incoming)
            with incoming.open("rb") as stream:
                os.fsync(stream.fileno())
            file = BackupFile(sha256=sha256_file(incoming), bytes=incoming.stat().st_size)
            self.path(file).parent.mkdir(exist_ok=True)
            incoming.replace(self.path(file))
        return file

    def commit(self, manifest: BackupManifest) -> None:
        """Make this the state that the folder holds; what only the former one had is removed."""
        write_json(self.folder / _MANIFEST, manifest.model_dump(mode="json"))
        current = {self.path(file) for file in manifest.files.values()}
        for path in (self.folder / _OBJECTS).glob("*/*"):
            if path not in current:
                path.unlink()
        (self.folder / "incoming").unlink(missing_ok=True)

    def manifest(self) -> BackupManifest:
        """Read what the backup holds.

        Raises:
            BadInput: there is no backup, or none that is complete.
            Corrupt: the manifest is damaged.
        """
        path = self.folder / _MANIFEST
        try:
            return BackupManifest.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            half = (self.folder / _OBJECTS).is_dir()
            why = "a backup that was not finished: run the same `ganlib backup` again" if half else "no backup"
            raise BadInput(f"{self.folder} holds {why} ({path.name} is not there). Nothing was changed.") from None
        except OSError as error:
            raise BadInput(f"cannot read {path}: {error.strerror}. Nothing was changed.") from None
        except ValidationError as error:
            first = error.errors()[0]
            raise BadInput(
                f"{path} is damaged, or of another ganlib: {'.'.join(map(str, first['loc']))}: {first['msg']}. "
                "Nothing was changed."
            ) from None

    def require_whole(self, manifest: BackupManifest, report: Report) -> None:
        """Hash all bytes of the backup.

        Raises:
            Corrupt: a file is damaged or missing; it is named.
        """
        done, total = 0, manifest.bytes
        for name, file in sorted(manifest.files.items()):
            report.advance("check", done, total)
            if not self._is_whole(file):
                raise self._damage(name, file)
            done += file.bytes
        report.advance("check", total, total)

    def extract(self, name: str, file: BackupFile, target: Path) -> None:
        """Copy one file out, atomically, unless it is there already.

        Raises:
            Corrupt: it is damaged; ``target`` is untouched.
            NoSpace, BadInput: ``target`` cannot be written.
        """
        if target.is_file() and target.stat().st_size == file.bytes and sha256_file(target) == file.sha256:
            return
        with atomic_path(target) as part:
            shutil.copyfile(self.path(file), part)
            if sha256_file(part) != file.sha256:
                raise self._damage(name, file)

    def _is_whole(self, file: BackupFile) -> bool:
        path = self.path(file)
        try:
            return path.stat().st_size == file.bytes and sha256_file(path) == file.sha256
        except OSError:
            return False

    def _damage(self, name: str, file: BackupFile) -> Corrupt:
        path = self.path(file)
        actual = sha256_file(path) if path.is_file() else "no file"
        hint = "Nothing was restored. Take another copy of the backup, or make one anew where the project is."
        return Corrupt(f"{name} in the backup ({path})", expected=file.sha256, actual=actual, hint=hint)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Provide an empty ``folder``, whatever a killed process has left there, and remove it. A lock is held."""
    shutil.rmtree(folder, ignore_errors=True)
    with explained(folder, 0):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
