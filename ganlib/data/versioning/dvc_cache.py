"""Files by their content: what DVC's hashes say should be there, and what is.

DVC trusts its cache, and restores damaged bytes from it without a word; so what is read is hashed here.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ganlib import config
from ganlib.core.project import Project

_OBJECT = re.compile(r"[0-9a-f]{30}(\.dir)?")
"""The rest of an object's name, after the two letters of its folder."""


def md5_file(path: Path) -> str:
    """Lower-case hex MD5, DVC's name for a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def tree(folder: Path) -> dict[str, str]:
    """Relative name -> MD5 of every file in ``folder``; empty if there is no such folder."""
    return {path.relative_to(folder).as_posix(): md5_file(path) for path in folder.rglob("*") if path.is_file()}


def tree_md5(files: Mapping[str, str]) -> str:
    """DVC's hash of a folder: MD5 of its sorted listing, with the ending ``.dir``."""
    listing = [{"md5": md5, "relpath": name} for name, md5 in sorted(files.items())]
    return hashlib.md5(json.dumps(listing).encode(), usedforsecurity=False).hexdigest() + ".dir"


class Store:
    """A folder of objects named by their MD5: DVC's cache, or a remote that is a local folder."""

    def __init__(self, root: Path) -> None:
        """``root`` need not exist."""
        self.root = root

    def path(self, md5: str) -> Path:
        """Where the object called ``md5`` is if it is here."""
        return self.root / "files" / "md5" / md5[:2] / md5[2:]

    def objects(self) -> list[Path]:
        """Return all objects, by name."""
        return sorted(path for path in (self.root / "files" / "md5").glob("??/*") if _OBJECT.fullmatch(path.name))

    def listing(self, md5: str) -> dict[str, str] | None:
        """Relative name -> MD5 in the folder ``md5``; None if that object is absent or damaged."""
        try:
            files = {entry["relpath"]: entry["md5"] for entry in json.loads(self.path(md5).read_bytes())}
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return files if tree_md5(files) == md5 else None

    def holds(self, md5: str) -> bool:
        """Whether the folder ``md5`` and all of its files are here, by name."""
        files = self.listing(md5)
        return files is not None and all(self.path(file).exists() for file in files.values())

    def damaged(self, md5: str) -> Iterator[tuple[Path, str, str]]:
        """Objects of the folder ``md5`` that are not what their name says: path, expected, actual MD5."""
        here = self.path(md5)
        files = self.listing(md5)
        if files is None:
            if here.exists():
                yield here, md5.removesuffix(".dir"), md5_file(here)
            return
        for file in files.values():
            path = self.path(file)
            if path.exists() and (actual := md5_file(path)) != file:
                yield path, file, actual


def cache(project: Project) -> Store:
    """DVC's cache of this project."""
    return Store(_resolve(project, _setting(project, "cache", "dir") or "cache"))


def has_remote(project: Project) -> bool:
    """Whether ``services.dvc_remote`` or DVC's own configuration of this project names a default remote."""
    return bool(config.servers(project).dvc_remote or _setting(project, "core", "remote"))


def local_remote(project: Project) -> Store | None:
    """The default remote, if it is a local folder."""
    name = _setting(project, "core", "remote")
    url = configured_remote(project) or (remote_url(project, name) if name else None)
    return Store(_resolve(project, url)) if url and "://" not in url else None


def configured_remote(project: Project) -> str | None:
    """``services.dvc_remote``: a URL, or the absolute path of a folder, which is relative to the project."""
    place = config.servers(project).dvc_remote
    return place if place is None or "://" in place else str((project.root / place).resolve())


def remote_url(project: Project, name: str) -> str | None:
    """What DVC's configuration says of the remote ``name``; None: it knows none."""
    return _setting(project, f"'remote \"{name}\"'", "url")


def _resolve(project: Project, path: str) -> Path:
    """DVC's relative paths are relative to its own folder."""
    return (project.root / ".dvc" / path).resolve()


def _setting(project: Project, section: str, key: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read([project.root / ".dvc" / "config", project.root / ".dvc" / "config.local"], encoding="utf-8")
    return parser.get(section, key, fallback=None)
