"""Images that are nearly the same: recompressed, scaled or slightly changed copies.

Two images are nearly the same if what is left of them in 16x16 pixels has a correlation of 0.995 or more over all
pixels and channels. Found are copies that were saved again as JPEG (of the pictures of Twemoji 91 in 100 at quality 50,
99 at 75, all at 90), made smaller or larger and back, or a tenth darker; one that was moved by a pixel is not. The
decision is by whole numbers, so that it is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ganlib.core.progress import doing
from ganlib.data.raw import RawData

CORRELATION = 0.995
_STRICTER = (CORRELATION, 0.999, 0.9999)
"""Tried in turn where images are so alike by nature that there are too many pairs to look at."""
_SIDE = 16  # of thumbnails, at most
_COARSE = 4  # side of the means that candidates are found by
MOST_CANDIDATES = 20_000_000  # pairs
_ROUNDING = 1e-3  # of the candidates' distances, in which floating point numbers may differ between machines
_LEAST_CONTRAST = 2.0  # standard deviation in grey levels; below, noise decides
PAIRS, BLOCK = 4096, 512  # pairs compared, and images looked at, at a time


def groups(raw: RawData, first: np.ndarray) -> np.ndarray:
    """Return the place of the first image of each one's group, int64 [n]; a chain of near copies is one group.

    Args:
        raw: the images.
        first: the same for exact copies, int64 [n].
    """
    once = np.flatnonzero(first == np.arange(len(first)))
    with doing("look for near copies"):
        leader = once[_leaders(_reduced(raw, once))]
    place = np.empty(len(first), np.int64)
    place[once] = leader
    leaders: np.ndarray = place[first]
    return leaders


def _reduced(raw: RawData, once: np.ndarray) -> np.ndarray:
    """uint8 [k, channels * side * side]: means of squares of pixels of the images ``once``."""
    parts, done = [], 0
    for chunk in raw.images.chunks():
        rows = chunk[once[(once >= done) & (once < done + len(chunk))] - done]
        done += len(chunk)
        count, channels, height, _ = rows.shape
        block = -(-height // _SIDE)
        side = height // block
        cut = rows[:, :, : side * block, : side * block].reshape(count, channels, side, block, side, block)
        means = cut.sum((3, 5), dtype=np.uint32) // block**2
        parts.append(means.reshape(count, -1).astype(np.uint8))
    return np.concatenate(parts)


def _leaders(thumbnails: np.ndarray) -> np.ndarray:
    """int64 [k]: the first of those that each is connected to by near copies."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    alike = np.concatenate([np.empty((0, 2), np.int64), *_alike(thumbnails)])
    count = len(thumbnails)
    graph = coo_array((np.ones(len(alike), np.int8), (alike[:, 0], alike[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    _, smallest = np.unique(component, return_index=True)
    leaders: np.ndarray = smallest[component]
    return leaders


def _alike(thumbnails: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs of images that are nearly the same, int64 [m, 2] at a time."""
    total, contrast = _moments(thumbnails)
    able = np.flatnonzero(contrast >= (thumbnails.shape[1] * _LEAST_CONTRAST) ** 2)
    coarse = _coarse(thumbnails[able], total[able], contrast[able])
    for correlation in _STRICTER:
        # Of unit vectors, the squared distance is 2 - 2 * correlation, and that of a projection is no larger.
        radius = (2 - 2 * correlation) ** 0.5 + _ROUNDING
        if sum(int(near.sum()) for _, _, near in _windows(coarse, radius)) <= MOST_CANDIDATES:
            break
    else:
        return
    for rows, columns, near in _windows(coarse, radius):
        row, column = np.nonzero(near)
        pairs = able[np.stack([rows[row], columns[column]], axis=1)]
        for start in range(0, len(pairs), PAIRS):
            span = pairs[start : start + PAIRS]
            yield span[_correlated(thumbnails, total, contrast, span, correlation)]


def _windows(coarse: np.ndarray, radius: float) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Candidates: places of rows and of columns, and bool [rows, columns], true for pairs at most ``radius`` apart.

    In the order of one coordinate, what is near lies within a window; every pair is met once.
    """
    if len(coarse) < 2:
        return
    key = coarse[:, np.argmax(coarse.std(0))]
    order = np.argsort(key, kind="stable")
    key, values = key[order], coarse[order]
    squares = np.square(values).sum(1)
    for start in range(0, len(order), BLOCK):
        end = min(start + BLOCK, len(order))
        last = int(np.searchsorted(key, key[end - 1] + radius, side="right"))
        rows, columns = slice(start, end), slice(start, last)
        distances = squares[rows, None] + squares[None, columns] - 2 * (values[rows] @ values[columns].T)
        later = np.arange(start, last) > np.arange(start, end)[:, None]
        yield order[rows], order[columns], (distances <= radius**2) & later


def _moments(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums, and pixels squared times variances, as float64 [k] that hold whole numbers."""
    total = thumbnails.sum(1, dtype=np.int64)
    squares = np.concatenate(
        [
            np.square(thumbnails[start : start + PAIRS], dtype=np.int64).sum(1)
            for start in range(0, len(thumbnails), PAIRS)
        ]
    )
    return total.astype(np.float64), (thumbnails.shape[1] * squares - total**2).astype(np.float64)


def _coarse(thumbnails: np.ndarray, total: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """float32 [k, 16]: low frequencies of the images, which are made unit vectors around their means."""
    from scipy.fft import dctn

    count, pixels = thumbnails.shape
    side = next(side for side in range(_SIDE, 0, -1) if pixels in (side**2, 3 * side**2))
    channels = pixels // side**2
    edges = np.arange(_COARSE) * side // _COARSE
    sums = thumbnails.reshape(count, channels, side, side).sum(1, dtype=np.int64)
    sums = np.add.reduceat(np.add.reduceat(sums, edges, axis=1), edges, axis=2)
    widths = np.diff(np.append(edges, side))
    sizes = np.outer(widths, widths) * channels
    deviations = sums - sizes * (total / pixels)[:, None, None]
    squares = deviations / np.sqrt(sizes) / np.sqrt(contrast / pixels)[:, None, None]
    # Frequencies leave distances as they are, and gather what differs in a few coordinates.
    frequencies: np.ndarray = dctn(squares, axes=(1, 2), norm="ortho").reshape(count, _COARSE**2).astype(np.float32)
    return frequencies


def _correlated(
    thumbnails: np.ndarray, total: np.ndarray, contrast: np.ndarray, pairs: np.ndarray, correlation: float
) -> np.ndarray:
    """bool [m]: the correlation of each of ``pairs`` is at least that. Sums are whole numbers below 2**53: exact."""
    one, two = pairs.T
    products = np.einsum("ij,ij->i", thumbnails[one].astype(np.float64), thumbnails[two].astype(np.float64))
    covariance = thumbnails.shape[1] * products - total[one] * total[two]
    alike: np.ndarray = (covariance > 0) & (covariance**2 >= correlation**2 * (contrast[one] * contrast[two]))
    return alike
