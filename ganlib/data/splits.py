"""The prepared splits as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from ganlib.core.errors import BadInput

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)


class Split(NamedTuple):
    """Images and their digits, in the source's order."""

    images: np.ndarray
    """uint8 [n, 28, 28], 0 = background."""
    labels: np.ndarray
    """uint8 [n], 0..9."""


def file_names(name: SplitName) -> tuple[str, str]:
    """The files of a split: images, labels."""
    return f"{name}-images.npy", f"{name}-labels.npy"


def load_split(prepared_dir: Path, name: SplitName) -> Split:
    """Read one split. Whether its bytes are the data version's, ``ganlib.jobs.data.version_data`` checks.

    Raises:
        BadInput: a file is missing or is not such an array.
    """
    images, labels = (_load(prepared_dir / file) for file in file_names(name))
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        shapes = f"images {images.shape} and labels {labels.shape}"
        raise BadInput(f"{prepared_dir}: {name} has {shapes}; run: ganlib data version")
    return Split(images, labels)


def _load(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise BadInput(f"{path} is missing; run: ganlib data version") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read ({error}); run: ganlib data version") from error
    if array.dtype != np.uint8:
        raise BadInput(f"{path} holds {array.dtype}, not uint8; run: ganlib data version")
    return array
