"""Files by relative name, in a folder or in an archive that is not unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, NamedTuple, cast

from ganlib.core.dataset_name import TAR, ZIP
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes, sha256_file

_LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"}  # of file managers, which put them anywhere
_UNPACK: tuple[tuple[bytes, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", gzip.GzipFile),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
)
"""How a compressed file begins, and what reads it."""
MOST_MEMBERS = 1_000_000
_CHUNK = 1 << 20


class Files(NamedTuple):
    """The files of a place, without what file managers and systems leave there."""

    place: Path
    names: tuple[str, ...]
    """Relative, with slashes, sorted by their parts."""
    open: Callable[[str], BinaryIO]
    digest: Callable[[tuple[str, ...]], str]
    """SHA-256 of the content of these names; of an archive its own."""
    inside: str = ""
    """The one folder of an archive that all of it lies in: left out of the names."""

    def path(self, name: str) -> str:
        """Return how ``name`` is told to people."""
        return f"{self.place}/{self.inside}{name}"


def locate(place: Path) -> tuple[Path, str]:
    """Return ``place`` and nothing; of a folder in an archive, such as ``icons.zip/png``, the archive and ``png/``."""
    above = () if place.exists() else place.parents
    archive = next((path for path in above if path.name.lower().endswith(ZIP + TAR) and path.is_file()), None)
    return (archive, f"{place.relative_to(archive).as_posix()}/") if archive else (place, "")


def open_files(place: Path, max_bytes: int) -> Files:
    """Return the files in ``place``: a folder, an archive, or a folder in an archive.

    Raises:
        BadInput: it is none of them, or an archive that is damaged, holds links or names outside itself, or unpacks to
            more than ``max_bytes``.
    """
    if place.is_dir():
        return _folder(place)
    archive, under = locate(place)
    if not archive.is_file():
        raise BadInput(f"data source {place} does not exist.")
    if archive.name.lower().endswith(ZIP):
        return _zip(archive, max_bytes, under)
    if archive.name.lower().endswith(TAR):
        return _tar(archive, max_bytes, under)
    raise BadInput(
        f"data source {place} is not a folder, nor an archive ({', '.join(ZIP + TAR)}), nor a Parquet file (.parquet)."
    )


def is_litter(name: str) -> bool:
    """Whether a part of the path ``name`` is hidden, or of those that file managers make."""
    return any(part.startswith(".") or part.lower() in _LITTER for part in PurePosixPath(name).parts)


def _sorted(names: Iterator[str] | list[str]) -> tuple[str, ...]:
    return tuple(sorted((name for name in names if not is_litter(name)), key=lambda name: name.split("/")))


def _folder(place: Path) -> Files:
    def walk(folder: Path, prefix: str, above: frozenset[Path]) -> Iterator[str]:
        for path in folder.iterdir():
            if is_litter(path.name):
                continue
            if path.is_dir():
                if (real := path.resolve()) not in above:  # a link to a folder that it lies in has no end
                    yield from walk(path, f"{prefix}{path.name}/", above | {real})
            elif path.is_file():
                yield prefix + path.name

    def digest(names: tuple[str, ...]) -> str:
        return sha256_bytes("".join(f"{_sha256(place / name)}  {name}\n" for name in names).encode())

    return Files(
        place, _sorted(walk(place, "", frozenset({place.resolve()}))), lambda name: (place / name).open("rb"), digest
    )


def _sha256(path: Path) -> str:
    """Of the content; of a file that nobody may read a word: its picture is set aside, and told then."""
    try:
        return sha256_file(path)
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _zip(place: Path, max_bytes: int, under: str) -> Files:
    try:
        archive = zipfile.ZipFile(place)
    except (OSError, zipfile.BadZipFile) as error:
        raise BadInput(f"{place} cannot be read as a ZIP archive: {error}.") from error
    members: dict[str, zipfile.ZipInfo] = {}
    total = 0
    infos = archive.infolist()
    # Some programs on Windows write its own separators, which the format does not allow.
    separator = "/" if any("/" in info.filename for info in infos) else "\\"
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        _require_inside(place, info.filename, link=kind not in (0, stat.S_IFREG, stat.S_IFDIR))
        if info.flag_bits & 1:
            raise BadInput(f"{place} is encrypted ({info.filename}): unpack it with its password first.")
        total += info.file_size  # no more is ever read of a member than it says
        _require_size(place, total, len(members), max_bytes)
        name = info.filename.replace(separator, "/")
        if not name.endswith("/"):
            members[name] = info
    return _archive(place, list(members), lambda name: cast(BinaryIO, archive.open(members[name])), under)


def _tar(place: Path, max_bytes: int, under: str) -> Files:
    try:
        plain = _plain_tar(place, max_bytes)
        archive = tarfile.open(fileobj=plain, mode="r:")  # noqa: SIM115  (open as long as its files are read)
        members: dict[str, tarfile.TarInfo] = {}
        total = 0
        for info in archive:
            _require_inside(place, info.name, link=not (info.isreg() or info.isdir()))
            total += info.size
            _require_size(place, total, len(members), max_bytes)
            if info.isreg():
                members[info.name.removeprefix("./")] = info
    except (OSError, EOFError, lzma.LZMAError, tarfile.TarError) as error:
        raise BadInput(f"{place} cannot be read as a tar archive: {error}.") from error

    def open_member(name: str) -> BinaryIO:
        info = members[name]
        plain.seek(info.offset_data)
        return io.BytesIO(plain.read(info.size))

    return _archive(place, list(members), open_member, under)


def _plain_tar(place: Path, max_bytes: int) -> IO[bytes]:
    """The archive, uncompressed in a nameless temporary file, so that members can be read in any order."""
    with place.open("rb") as stream:
        magic = stream.read(6)
    unpack = next((opener for start, opener in _UNPACK if magic.startswith(start)), None)
    if unpack is None:
        return place.open("rb")
    plain = tempfile.TemporaryFile()  # noqa: SIM115
    with unpack(place) as source:
        while chunk := source.read(_CHUNK):
            plain.write(chunk)
            # Headers and padding of the tar itself are at most a kilobyte a member and its end.
            if plain.tell() > max_bytes + 2048 * MOST_MEMBERS:
                _require_size(place, plain.tell(), 0, max_bytes)
    plain.seek(0)
    return plain


def _archive(place: Path, names: list[str], opener: Callable[[str], BinaryIO], under: str) -> Files:
    """``names`` in the folder ``under``, without the one folder that all of them lie in, if there is one."""
    members = _sorted([name.removeprefix(under) for name in names if name.startswith(under)])
    if under and not members:
        raise BadInput(f"{place} holds no folder {under.rstrip('/')}.")
    inside = under
    while (
        members
        and len(tops := {name.partition("/")[0] for name in members}) == 1
        and all("/" in name for name in members)
    ):
        top = f"{tops.pop()}/"
        inside, members = inside + top, tuple(name.removeprefix(top) for name in members)
    return Files(place, members, lambda name: opener(inside + name), lambda _: sha256_file(place), inside)


def _require_inside(place: Path, name: str, *, link: bool) -> None:
    if link:
        raise BadInput(f"{place} holds a link or a device ({name}): only files and folders are accepted.")
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if parts and (parts[0] == "/" or ".." in parts or parts[0][1:2] == ":"):
        raise BadInput(f"{place} names a file outside itself ({name}): no such archive is opened.")


def _require_size(place: Path, total: int, members: int, max_bytes: int) -> None:
    if total > max_bytes:
        raise BadInput(f"{place} unpacks to more than {max_bytes:,} bytes (data.max_bytes in params.yaml).")
    if members > MOST_MEMBERS:
        raise BadInput(f"{place} holds more than {MOST_MEMBERS:,} files.")
