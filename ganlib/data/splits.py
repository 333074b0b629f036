"""The prepared splits as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from ganlib.core.errors import BadInput

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
AGAIN = "run: ganlib data version"


class Split(NamedTuple):
    """Images with their labels and captions, in the source's order."""

    images: np.ndarray
    """uint8 [n, channels, height, width]; 0 is black."""
    labels: np.ndarray
    """int64 [n], places in the data set's class names; all 0 where it has none."""
    captions: np.ndarray | None = None
    """uint8 [n, length]: UTF-8, filled up with zeros; None where the source has no captions of its own."""


def file_names(name: SplitName) -> tuple[str, str, str]:
    """The files of a split: images, labels, captions. The last two are not there where there is nothing to write."""
    return f"{name}-images.npy", f"{name}-labels.npy", f"{name}-captions.npy"


def load_split(prepared_dir: Path, name: SplitName, *, mapped: bool = False) -> Split:
    """Read one split. Whether its bytes are the data version's, ``ganlib.jobs.data.version_data`` checks.

    Images that are ``mapped`` are read from their file where they are used, and cannot be changed.

    Raises:
        BadInput: a file is missing or is not such an array.
    """
    image_file, label_file, caption_file = (prepared_dir / file for file in file_names(name))
    images = load_array(image_file, mapped=mapped)
    if images.ndim == 3:  # grey images are kept without their one channel
        images = images[:, None]
    labels = load_array(label_file, np.int64) if label_file.exists() else np.zeros(len(images), np.int64)
    captions = load_array(caption_file) if caption_file.exists() else None
    rows = {len(array) for array in (images, labels, captions) if array is not None}
    if images.ndim != 4 or images.shape[1] not in (1, 3) or labels.ndim != 1 or len(rows) != 1:
        shapes = f"images {images.shape} and labels {labels.shape}"
        raise BadInput(f"{prepared_dir}: {name} has {shapes}; {AGAIN}")
    return Split(images, labels, captions)


def load_array(path: Path, dtype: type = np.uint8, *, mapped: bool = False) -> np.ndarray:
    """Read the array as ``dtype``, in which it is kept, or as bytes, in which small numbers are kept."""
    try:
        array: np.ndarray = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except FileNotFoundError:
        raise BadInput(f"{path} is missing; {AGAIN}") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read ({error}); {AGAIN}") from error
    if array.dtype not in (np.uint8, dtype):
        raise BadInput(f"{path} holds {array.dtype}, not {np.dtype(dtype)}; {AGAIN}")
    return array.astype(dtype, copy=False)
