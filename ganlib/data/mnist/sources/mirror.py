"""MNIST from public mirrors over HTTPS: four gzip files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ganlib.core.errors import BadInput
from ganlib.core.progress import Report
from ganlib.data import idx
from ganlib.data.mnist import files as mnist
from ganlib.data.sources.download import download
from ganlib.data.sources.failure import SourceFailure

MIRRORS = (
    ("cvdf-datasets", "https://storage.googleapis.com/cvdf-datasets/mnist"),
    ("ossci-datasets", "https://ossci-datasets.s3.amazonaws.com/mnist"),
)
LARGEST = 16 << 20  # the largest of the four is 9.9 MB


def fetch(
    mirror: str, url: str, names: Collection[str], downloads: Path, report: Report
) -> Iterator[tuple[str, bytes]]:
    """Download and decompress ``names`` from ``url``/NAME.gz.

    A partial file stays in ``downloads`` and is completed by the next call; if the whole is then damaged,
    it is deleted and fetched once more.

    Raises:
        SourceFailure: a file cannot be had, or is not MNIST's.
    """
    for name in names:
        yield name, _complete(f"{url}/{name}.gz", name, downloads / f"{mirror}-{name}.gz.part", report)


def _complete(url: str, name: str, part: Path, report: Report) -> bytes:
    has_part = part.exists()
    try:
        return _one(url, name, part, report)
    except SourceFailure as error:
        if not has_part or part.exists():
            raise SourceFailure(f"{name}: {error}") from error
    return _one(url, name, part, report)


def _one(url: str, name: str, part: Path, report: Report) -> bytes:
    data = download(url, part, largest=LARGEST, report=report, stage=f"download {name}")
    part.unlink()
    try:
        return mnist.verified(name, idx.gunzip(data, name))
    except BadInput as error:
        raise SourceFailure(str(error)) from error
