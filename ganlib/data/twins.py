"""Images whose bytes occur more than once in a source: which side of a split they are on, and how many there are."""

from __future__ import annotations

import numpy as np

from ganlib.core.files import sha256_bytes
from ganlib.data.splits import Split
from ganlib.data.versioning.record import Twins


def firsts(images: np.ndarray) -> np.ndarray:
    """Return the place of the first image with the same SHA-256, int [n], of uint8 ``images`` [n, ...]."""
    seen: dict[str, int] = {}
    places = [seen.setdefault(sha256_bytes(image.tobytes()), place) for place, image in enumerate(images)]
    return np.array(places, np.int64)


def count(train: Split, test: Split | None, left_out: int) -> Twins | None:
    """What is to be told of the twins in a source; None if it has none.

    Args:
        train: what the source gives for training, with the images that are left out.
        test: its own test split, if it has one.
        left_out: images of ``train`` that are in ``test``, too.
    """
    parts = (train, test) if test else (train,)
    labels = np.concatenate([part.labels for part in parts])
    first = firsts(np.concatenate([part.images for part in parts]))
    sizes = np.bincount(first, minlength=len(first))
    disputed = np.zeros(len(first), bool)
    disputed[first[labels != labels[first]]] = True
    repeated = int((sizes[first] > 1).sum())
    if not repeated:
        return None
    return Twins(repeated=repeated, left_out=left_out, labels_differ=int(disputed[first].sum()))
