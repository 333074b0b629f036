"""DVC's default remote, read back: DVC compares names there, and never bytes.

It calls a remote up to date whose objects are damaged, and pushes none of them again. So they are hashed here, and a
damaged one is written anew from a copy that is sound.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ganlib.core.errors import Unavailable
from ganlib.core.files import atomic_path
from ganlib.core.project import Project
from ganlib.core.redact import redacted
from ganlib.data.versioning import dvc_cache
from ganlib.data.versioning.dvc import pinned, without_git
from ganlib.data.versioning.dvc_cache import Store, md5_file

_FOLDERS: Mapping[str, str] = {"fetch": "data/raw", "prepare": "data/prepared", "own-judge": "data/judge"}
"""What each stage of DVC with a remembered output makes."""


class RemoteObject(NamedTuple):
    """A file of the data version, or the listing of a folder, by its content."""

    md5: str
    """With ``.dir`` at the end of a listing's."""
    name: str
    """Of the file, from the project's folder."""


class DvcRemote(Protocol):
    """Where DVC keeps what was pushed."""

    name: str

    def digest(self, md5: str) -> str | None:
        """Return the MD5 of the bytes that are under the name ``md5``; None: there are none."""

    def write(self, md5: str, source: Path) -> None:
        """Put the file ``source`` there in their place."""


class FolderRemote:
    """A folder of this machine."""

    def __init__(self, store: Store) -> None:
        """``store`` need not exist."""
        self._store, self.name = store, str(store.root)

    def digest(self, md5: str) -> str | None:
        """See :class:`DvcRemote`."""
        path = self._store.path(md5)
        return md5_file(path) if path.exists() else None

    def write(self, md5: str, source: Path) -> None:
        """See :class:`DvcRemote`."""
        with atomic_path(self._store.path(md5)) as part:
            shutil.copyfile(source, part)


class CloudRemote:
    """Any that DVC can use, such as S3, with the settings and keys that DVC has for it."""

    def __init__(self, project: Project) -> None:
        """Nothing is asked of it yet."""
        from dvc.repo import Repo

        repo = Repo(str(project.root), config={"core": {"no_scm": True}} if without_git(project) else None)
        self._odb: Any = repo.cloud.get_remote_odb()
        self.name = redacted(str(repo.config["remote"][repo.config["core"]["remote"]]["url"]))

    def digest(self, md5: str) -> str | None:
        """See :class:`DvcRemote`."""
        try:
            with self._odb.fs.open(self._odb.oid_to_path(md5), "rb") as stream:
                return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except FileNotFoundError:
            return None

    def write(self, md5: str, source: Path) -> None:
        """See :class:`DvcRemote`."""
        self._odb.fs.put_file(str(source), self._odb.oid_to_path(md5))


def default_remote(project: Project) -> DvcRemote | None:
    """Return the project's default remote; None if DVC has none.

    Raises:
        Unavailable: its settings cannot be used.
    """
    if store := dvc_cache.local_remote(project):
        return FolderRemote(store)
    if not dvc_cache.has_remote(project):
        return None
    try:
        return CloudRemote(project)
    except Exception as error:  # DVC's and of each cloud's own library
        raise _unavailable("DVC's default remote", error) from error


def objects(project: Project) -> list[RemoteObject]:
    """Return what ``dvc.lock`` pins: listings first, then the files in them, each once.

    Raises:
        BadInput: ``dvc.lock`` is damaged.
    """
    listings, files = list[RemoteObject](), dict[str, RemoteObject]()
    for stage, folder in _FOLDERS.items():
        if (pin := pinned(project, stage)) is None:
            continue
        listings.append(RemoteObject(pin.md5, folder))
        for name, md5 in _listing(project, pin.md5, project.root / folder).items():
            files.setdefault(md5, RemoteObject(md5, f"{folder}/{name}"))
    return [*listings, *files.values()]


def any_in_cache(project: Project, objects: Iterable[RemoteObject]) -> bool:
    """Whether DVC's cache has any of ``objects``: if not, no such data version was made or fetched here yet."""
    cache = dvc_cache.cache(project)
    return any(cache.path(each.md5).exists() for each in objects)


def _listing(project: Project, md5: str, folder: Path) -> dict[str, str]:
    """The files of a folder by name, as the cache has it, or else the folder itself if it is that version."""
    if (listing := dvc_cache.cache(project).listing(md5)) is not None:
        return listing
    files = dvc_cache.tree(folder)
    return files if dvc_cache.tree_md5(files) == md5 else {}


def damages(remote: DvcRemote, each: RemoteObject) -> str | None:
    """Return what is wrong with one object of the remote, in words; None: it is whole.

    Raises:
        Unavailable: the remote does not answer.
    """
    try:
        actual = remote.digest(each.md5)
    except Exception as error:
        raise _unavailable(f"DVC's remote {remote.name}", error) from error
    if actual == each.md5.removesuffix(".dir"):
        return None
    return f"{each.name} ({each.md5}) is {f'damaged: its MD5 is {actual}' if actual else 'not there'}"


def mend(project: Project, remote: DvcRemote, each: RemoteObject) -> bool:
    """Write one object anew from DVC's cache or from ``data/``; whether either has it whole.

    Raises:
        Unavailable: the remote does not answer.
    """
    for source in _copies(project, each):
        if source.is_file() and md5_file(source) == each.md5.removesuffix(".dir"):
            try:
                remote.write(each.md5, source)
            except Exception as error:
                raise _unavailable(f"DVC's remote {remote.name}", error) from error
            return damages(remote, each) is None
    return False


def _copies(project: Project, each: RemoteObject) -> Iterator[Path]:
    yield dvc_cache.cache(project).path(each.md5)
    yield project.root / each.name


def _unavailable(what: str, error: Exception) -> Unavailable:
    line = " ".join(str(error).split())[:300] or type(error).__name__
    return Unavailable(f"{what} cannot be read or written: {line}")
