"""How sure a figure is: a bootstrap over the generated samples, with the reference held fixed."""

from __future__ import annotations

import base64

import numpy as np

from ganlib.core.record import Record
from ganlib.evaluation.distances import GROUPS, Statistic, group_of, random_words

_STREAM = 2  # tells these draws from those of the KID subsets with the same seed


class Interval(Record):
    """A figure with its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """``12.3 [11.9, 12.8]``: three significant digits of each."""
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def above(self, least: float) -> Interval:
        """With ends no lower than ``least``, for a figure that cannot be."""
        return Interval(value=self.value, low=max(self.low, least), high=max(self.high, least))


def interval(statistic: Statistic, n: int, *, replicates: int, confidence: float, seed: int) -> Interval:
    """The figure that ``statistic`` gives for ``n`` samples, with a bias-centred percentile interval.

    The reference is not resampled: every model is measured against the same one, and its chance is common to
    all of them. A replicate repeats some samples and lacks others, so for the FID, whose bias grows as
    distinct samples get fewer, replicates lie above the figure by about as much as the figure lies above its
    own limit; plain percentiles would often not even hold the figure. Only their spread is used: ``value +
    (quantile - mean of the replicates)``. The interval is therefore about what other draws of the same size
    would give, which is what is compared: FIDs of equal ``n`` share their bias.

    The weights depend on ``seed`` and ``n`` alone, so the replicates of two models that drew from the same
    noise are paired.

    Args:
        statistic: see :data:`ganlib.evaluation.distances.Statistic`.
        n: the number of samples it was made of.
        replicates: how many to draw.
        confidence: the interval's level, such as 0.95.
        seed: of the draws.
    """
    return around(resample(statistic, n, replicates=replicates, seed=seed), confidence)


def resample(statistic: Statistic, n: int, *, replicates: int, seed: int) -> np.ndarray:
    """float64 [1 + replicates]: the figure, then its replicates (arguments as of :func:`interval`)."""
    return statistic(np.concatenate([np.ones((1, min(GROUPS, n))), draw_weights(n, replicates, seed)]))


def around(values: np.ndarray, confidence: float) -> Interval:
    """The interval of what :func:`resample` gives."""
    value, replicates = float(values[0]), values[1:]
    low, high = np.quantile(replicates, [(1 - confidence) / 2, (1 + confidence) / 2]) - replicates.mean()
    return Interval(value=value, low=float(value + low), high=float(value + high))


def difference(a: np.ndarray, b: np.ndarray, confidence: float) -> Interval | None:
    """The interval of ``b - a`` of two figures by the same statistic; None if they cannot be paired.

    ``a`` and ``b`` are float64 [1 + replicates] as :func:`resample` gives them: replicate i of either resamples images
    of the same numbers, so the difference is a replicate of the difference: what both owe to the same noise goes out.
    """
    if len(a) != len(b) or len(a) < 2 or not np.isfinite([a, b]).all():
        return None
    return around(b - a, confidence)


def mean_statistic(values: np.ndarray) -> Statistic:
    """The mean of ``values`` [n], as a function of the groups' weights."""
    group = group_of(len(values))
    sums = np.bincount(group, weights=values.astype(np.float64))
    counts = np.bincount(group).astype(np.float64)
    return lambda weights: (weights @ sums) / (weights @ counts)


def pack(values: np.ndarray) -> str:
    """Replicates as text that a tag of MLflow holds: base64 of little-endian float32."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def unpack(text: str) -> np.ndarray:
    """float64: what :func:`pack` took, to seven digits; empty if ``text`` is not of that kind."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float64)
    except ValueError:  # overwritten by a person
        return np.empty(0)


def draw_weights(n: int, replicates: int, seed: int) -> np.ndarray:
    """float64 [replicates, g]: how often each of g groups of ``n`` samples is drawn, g draws with replacement."""
    groups = min(GROUPS, n)
    words = random_words(replicates * groups, seed, _STREAM)
    # The upper 32 bits of a word scaled to 0..groups-1.
    indices = ((words >> np.uint64(32)) * np.uint64(groups)) >> np.uint64(32)
    rows = indices.astype(np.int64).reshape(replicates, groups)
    return np.stack([np.bincount(row, minlength=groups) for row in rows]).astype(np.float64)
