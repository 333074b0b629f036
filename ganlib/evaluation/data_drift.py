"""Do new real images look like those of the training? A permutation test with a stated rate of false alarms."""

from __future__ import annotations

import numpy as np

from ganlib.core.errors import BadInput
from ganlib.core.record import Record
from ganlib.evaluation.distances import checked, kernel, random_words
from ganlib.evaluation.drift import FALSE_ALARMS

LEAST = 20
"""New images that the test is made with, at least."""
MOST_NEW, MOST_OLD = 500, 2000
"""Images of each that are looked at, at most: the kernel of all pairs is held at once."""
DRAWS = 999
"""Exchanges at random, besides what was seen."""
_STREAM = 8  # of the draws
_CHUNK = 200  # draws worked on at once


class DataDrift(Record):
    """How far new images are from those of the training, beside what chance makes of one set."""

    kid: float
    """Unbiased squared maximum mean discrepancy of the two sets in the judge's features."""
    low: float
    """This and ``high``: the interval that it lies in, but for :data:`FALSE_ALARMS`, if both are draws of one set."""
    high: float
    images: int
    """New images that were looked at."""

    @property
    def is_drift(self) -> bool:
        """Whether chance does not explain the distance."""
        return self.kid > self.high

    def __str__(self) -> str:
        verdict = "outside" if self.is_drift else "within"
        return (
            f"KID {self.kid:.3g} of {self.images:,} new images to the training images, {verdict} what chance explains, "
            f"[{self.low:.3g}, {self.high:.3g}] (false alarms at most {FALSE_ALARMS:.1%})"
        )


def data_drift(new: np.ndarray, old: np.ndarray, seed: int = 0) -> DataDrift:
    """Compare two sets of features, ``new`` [n, d] and ``old`` [m, d].

    If both are draws of one distribution, it does not matter which image is called new: the distance after exchanging
    them at random has the same distribution, whatever that is (Gretton 2012), so no assumption is needed for the rate
    of false alarms.

    Args:
        new: features of new images, n >= :data:`LEAST`.
        old: of training images, as many at least.
        seed: of the draws.

    Raises:
        BadInput: too few images.
    """
    if len(new) < LEAST or len(old) < LEAST:
        raise BadInput(f"drift of data takes {LEAST} images of each set at least, not {len(new)} and {len(old)}.")
    ours, theirs = _some(checked(new), MOST_NEW, seed, 1), _some(checked(old), MOST_OLD, seed, 2)
    pool = np.concatenate([ours, theirs])
    products = kernel(pool, pool)
    np.fill_diagonal(products, 0.0)
    total, n = len(pool), len(ours)
    identity = np.arange(total) < n
    words = random_words(DRAWS * total, seed, _STREAM).reshape(DRAWS, total)
    draws = np.argsort(words, axis=1, kind="stable") < n
    rows = np.concatenate([identity[None], draws]).astype(np.float64)
    values = np.concatenate(
        [_distances(products, part, n) for part in np.split(rows, range(_CHUNK, len(rows), _CHUNK))]
    )
    # At most a share of FALSE_ALARMS of all values, among them the one of the sets as they are, is above ``high``.
    ascending = np.sort(values)
    allowance = int(FALSE_ALARMS * len(values))
    return DataDrift(
        kid=float(values[0]), low=float(ascending[0]), high=float(ascending[len(values) - 1 - allowance]), images=n
    )


def _distances(products: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    """Return the unbiased squared MMD of each split of the pool: float64 [r] of rows of 0 and 1, float64 [r, total]."""
    others, m = 1 - rows, rows.shape[1] - n
    ours, theirs = rows @ products, others @ products
    within, beyond = (ours * rows).sum(1) / (n * (n - 1)), (theirs * others).sum(1) / (m * (m - 1))
    values: np.ndarray = within + beyond - 2 * (ours * others).sum(1) / (n * m)
    return values


def _some(features: np.ndarray, most: int, seed: int, stream: int) -> np.ndarray:
    if len(features) <= most:
        return features
    words = random_words(len(features), seed, _STREAM + stream)
    return features[np.sort(np.argsort(words, kind="stable")[:most])]
