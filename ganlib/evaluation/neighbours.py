"""Nearest neighbours among features, in chunks: float32 products find them, float64 differences measure them.

The squared distance ``|x|^2 - 2 x.y + |y|^2`` loses digits where two features are close, which is where a copy or the
edge of a ball is decided. So products only choose: whatever is chosen, or falls within rounding of an edge, is
measured again from its differences. Figures then do not depend on how a product was summed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ganlib.core.progress import doing
from ganlib.evaluation.distances import checked

if TYPE_CHECKING:
    from torch import Tensor

_ROWS, _COLUMNS = 1000, 5000  # of a block of distances: 20 MB
_SPARE = 4  # neighbours measured again beyond those asked for
_ROUNDING = 4e-6  # of the squared norms: more than a float32 product of 128 terms is ever off


class Nearest(NamedTuple):
    """The nearest of some points to each query, and the nearest query to each point."""

    distance: np.ndarray
    """float64 [n], from each query."""
    point: np.ndarray
    """int [n]: which point it is."""
    back: np.ndarray
    """float64 [m]: from each point to the query nearest to it."""


class Balls(NamedTuple):
    """Which queries lie in which balls."""

    holding: np.ndarray
    """int [n]: in how many balls each query lies."""
    fill: np.ndarray
    """int [m]: how many queries lie in each ball."""


@doing("find the nearest real images")
def nearest(queries: np.ndarray, points: np.ndarray) -> Nearest:
    """Nearest neighbours between ``queries`` [n, d] and ``points`` [m, d], both ways.

    Raises:
        BadInput: fewer than two of either, or a value that is not finite.
    """
    import torch

    ours, theirs = checked(queries), checked(points)
    q, p = _centred(ours, theirs)
    index, back = np.empty(len(ours), int), np.empty(len(theirs), int)
    best = torch.full((len(theirs),), torch.inf)
    for rows in _parts(len(q), _ROWS):
        lowest = torch.full((len(q[rows]),), torch.inf)
        where = torch.zeros(len(q[rows]), dtype=torch.long)
        for columns in _parts(len(p), _COLUMNS):
            squares = _squares(q[rows], p[columns])
            values, indices = squares.min(dim=1)
            nearer = values < lowest
            lowest, where = torch.where(nearer, values, lowest), torch.where(nearer, indices + columns.start, where)
            values, indices = squares.min(dim=0)
            nearer = values < best[columns]
            best[columns] = torch.where(nearer, values, best[columns])
            back[columns] = np.where(nearer.numpy(), indices.numpy() + rows.start, back[columns])
        index[rows] = where.numpy()
    return Nearest(_apart(ours, theirs[index]), index, _apart(theirs, ours[back]))


def beyond(points: np.ndarray, others: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest of ``others`` [m, d] to each of ``points`` [n, d] that is at least ``least`` away.

    Returns:
        The distance, float64 [n], and which it is, int [n]; ``least`` itself and -1 where there is none.
    """
    distance, index = np.full(len(points), least), np.full(len(points), -1)
    p, o = _centred(points.astype(np.float64), others.astype(np.float64))
    for rows in _parts(len(p), _ROWS):
        squares = _squares(p[rows], o)
        squares[squares < least * least] = np.inf
        values, near = squares.min(dim=1)
        some = values.isfinite().numpy()
        distance[rows][some] = _apart(points[rows].astype(np.float64), others[near.numpy()].astype(np.float64))[some]
        index[rows][some] = near.numpy()[some]
    return distance, index


def radii(points: np.ndarray, k: int) -> np.ndarray:
    """float64 [n]: the distance of each of ``points`` [n, d] to the k-th nearest other one.

    Raises:
        BadInput: fewer than two points, or a value that is not finite.
    """
    values = checked(points)
    (p, _), radius = _centred(values, values), np.empty(len(values))
    count = min(k + _SPARE, len(values) - 1)
    for rows in _parts(len(p), _ROWS):
        squares = _squares(p[rows], p)
        here = np.arange(rows.start, rows.stop)
        squares[here - rows.start, here] = np.inf
        near = squares.topk(count, largest=False).indices.numpy()
        distances = _apart(values[here, None], values[near])
        radius[rows] = np.partition(distances, min(k, count) - 1, axis=1)[:, min(k, count) - 1]
    return radius


def balls(centres: np.ndarray, radius: np.ndarray, queries: np.ndarray) -> Balls:
    """Which of ``queries`` [n, d] lie in the closed balls round ``centres`` [m, d] with ``radius`` [m].

    Raises:
        BadInput: fewer than two of either, or a value that is not finite.
    """
    import torch

    theirs, ours = checked(centres), checked(queries)
    c, q = _centred(theirs, ours)
    limit = torch.from_numpy(np.square(radius).astype(np.float32))
    slack = _ROUNDING * float((c * c).sum(1).max() + (q * q).sum(1).max())
    holding, fill = np.zeros(len(ours), int), np.zeros(len(theirs), int)
    for rows in _parts(len(q), _ROWS):
        for columns in _parts(len(c), _COLUMNS):
            beyond = _squares(q[rows], c[columns]) - limit[columns]
            inside = beyond <= 0
            at, to = (beyond.abs() <= slack).nonzero().numpy().T
            exact = _apart(ours[rows.start + at], theirs[columns.start + to]) <= radius[columns.start + to]
            inside[at, to] = torch.from_numpy(exact)
            holding[rows] += inside.sum(dim=1).numpy()
            fill[columns] += inside.sum(dim=0).numpy()
    return Balls(holding, fill)


def _centred(one: np.ndarray, other: np.ndarray) -> tuple[Tensor, Tensor]:
    """Both as float32 about a common centre: shorter vectors lose fewer digits."""
    import torch

    centre = one.mean(axis=0)
    first, second = (torch.from_numpy((values - centre).astype(np.float32)) for values in (one, other))
    return first, second


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances [n, m] of all pairs, to float32's rounding of the norms."""
    import torch

    squares = torch.addmm((y * y).sum(dim=1)[None], x, y.T, alpha=-2)
    return squares.add_((x * x).sum(dim=1)[:, None])


def _apart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float64: distances of rows that belong together."""
    distance: np.ndarray = np.sqrt(np.square(x - y).sum(axis=-1))
    return distance


def _parts(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
