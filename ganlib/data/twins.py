"""Images that are the same, and what is told of them."""

from __future__ import annotations

import numpy as np

from ganlib.core.files import sha256_bytes
from ganlib.data.raw import RawData
from ganlib.data.versioning.record import Twins


def firsts(raw: RawData) -> np.ndarray:
    """int64 [n]: of each image, the place of the first one with the same SHA-256."""
    first_of: dict[str, int] = {}
    places: list[int] = []
    for chunk in raw.images.chunks():
        for image in chunk:
            places.append(first_of.setdefault(sha256_bytes(image.tobytes()), len(places)))
    return np.array(places, np.int64)


def count(first: np.ndarray, group: np.ndarray, labels: np.ndarray, left_out: int) -> Twins | None:
    """Return what is to be told of the twins in a source; None if it has none.

    Args:
        first: int64 [n], from :func:`firsts`.
        group: int64 [n]: of each image, the first one of those that are nearly the same, too.
        labels: int64 [n].
        left_out: images given for training that are in the source's test split, too.
    """
    sizes = np.bincount(first, minlength=len(first))
    clash = np.zeros(len(first), bool)
    clash[first[labels != labels[first]]] = True
    different = np.bincount(group[first == np.arange(len(first))], minlength=len(first))
    copies, near = int((sizes[first] > 1).sum()), int((different[group] > 1).sum())
    if not copies and not near:
        return None
    return Twins(repeated=copies, left_out=left_out, labels_differ=int(clash[first].sum()), near=near)
