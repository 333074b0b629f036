"""``data/raw``, read: MNIST's IDX files, or the arrays of an import."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_bytes, sha256_file
from ganlib.data import idx
from ganlib.data.arrays import ArrayFile, ArrayInMemory
from ganlib.data.importing import run
from ganlib.data.importing.record import ImportReport
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec

MNIST_SOURCE = MNIST.name
AGAIN = "Run: ganlib data version"


class RawData(NamedTuple):
    """All images of a source, in its order, with what belongs to them."""

    spec: DatasetSpec
    images: ArrayFile | ArrayInMemory
    """uint8 [n, channels, height, width]."""
    labels: np.ndarray
    """int64 [n]; all 0 where there are no classes."""
    captions: np.ndarray | None
    """uint8 [n, length]."""
    in_test: np.ndarray | None
    """bool [n]: the source's own test split; None where it has none."""
    files: dict[str, str]
    """File in ``data/raw`` -> sha256."""


def read_raw(raw: Path, config: DataConfig) -> RawData:
    """Read ``raw``; images of an import stay on disk.

    Raises:
        BadInput: a file is missing, or is not MNIST's where ``data.source`` says so.
        Corrupt: a file is not what ``import.json`` says.
    """
    return _mnist(raw) if config.source == MNIST_SOURCE else _imported(raw)


def read_report(raw: Path) -> ImportReport:
    """Read what became of a source when it was imported.

    Raises:
        BadInput: there is no such file, or it is no such record.
    """
    try:
        return ImportReport.model_validate_json((raw / run.REPORT).read_bytes())
    except (OSError, ValidationError) as error:
        raise BadInput(f"{raw / run.REPORT} cannot be read. {AGAIN}") from error


def _mnist(raw: Path) -> RawData:
    files = {name: mnist.verified(name, idx.read(raw / name)) for name in mnist.SHA256}
    train, test = (mnist.images(files[name], name) for name in (mnist.TRAIN_IMAGES, mnist.TEST_IMAGES))
    labels = [mnist.labels(files[name], name) for name in (mnist.TRAIN_LABELS, mnist.TEST_LABELS)]
    return RawData(
        spec=MNIST,
        images=ArrayInMemory(np.concatenate([train, test])[:, None]),
        labels=np.concatenate(labels).astype(np.int64),
        captions=None,
        in_test=np.arange(len(train) + len(test)) >= len(train),
        files={name: sha256_bytes(data) for name, data in sorted(files.items())},
    )


def _imported(raw: Path) -> RawData:
    report = read_report(raw)
    for name, sha256 in report.files.items():
        if not (raw / name).is_file():
            raise BadInput(f"{raw / name} is missing. {AGAIN}")
        if (actual := sha256_file(raw / name)) != sha256:
            raise Corrupt(raw / name, expected=sha256, actual=actual, hint=AGAIN)

    def load(name: str) -> np.ndarray | None:
        return np.load(raw / name, allow_pickle=False) if name in report.files else None

    labels, in_test = load(run.LABELS), load(run.IN_TEST)
    return RawData(
        spec=report.spec,
        images=ArrayFile(raw / run.IMAGES),
        labels=np.zeros(report.images, np.int64) if labels is None else labels,
        captions=load(run.CAPTIONS),
        in_test=None if in_test is None else in_test.astype(bool),
        files={**report.files, run.REPORT: sha256_file(raw / run.REPORT)},
    )
