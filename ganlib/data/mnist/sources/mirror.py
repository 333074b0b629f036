"""MNIST from public mirrors over HTTPS: four gzip files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ganlib.core.errors import BadInput
from ganlib.core.progress import Report
from ganlib.data import idx
from ganlib.data.mnist import files as mnist
from ganlib.data.sources.download import download
from ganlib.data.sources.failure import SourceFailed

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
        SourceFailed: a file cannot be had, or is not MNIST's.
    """
    for name in names:
        yield name, _complete(f"{url}/{name}.gz", name, downloads / f"{mirror}-{name}.gz.part", report)


def _complete(url: str, name: str, part: Path, report: Report) -> bytes:
    resumed = part.exists()
    try:
        return _one(url, name, part, report)
    except SourceFailed as error:
        if not resumed or part.exists():
            raise SourceFailed(f"{name}: {error}") from error
    return _one(url, name, part, report)


def _one(url: str, name: str, part: Path, report: Report) -> bytes:
    compressed = download(url, part, largest=LARGEST, report=report, stage=f"download {name}")
    part.unlink()
    try:
        return mnist.verified(name, idx.gunzip(compressed, name))
    except BadInput as error:
        raise SourceFailed(str(error)) from error
