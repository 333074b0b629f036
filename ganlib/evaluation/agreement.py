"""Is an image what was asked for?"""

from __future__ import annotations

import numpy as np

from ganlib.data.mnist import attributes
from ganlib.data.splits import Split
from ganlib.evaluation.bootstrap import Interval


def agreement(
    images: np.ndarray, predictions: np.ndarray, codes: np.ndarray, train: Split, confidence: float
) -> dict[str, Interval]:
    """Share of images that agree with each kind of wish, among those for which it was made.

    A tercile is one of the training images of the class that was asked for.

    Args:
        images: uint8 [n, channels, height, width].
        predictions: the classes that the judge sees, int [n].
        codes: int64 [n, 1]: the class; or int64 [n, 4], as :meth:`ganlib.data.mnist.captions.CaptionMeaning.codes`.
        train: the training split, which terciles are relative to.
        confidence: level of the intervals.
    """
    classes = codes[:, 0]
    shares = {"class": share(predictions == classes, confidence)}
    if not codes[:, 1:].any():
        return shares
    scale = attributes.Scale.fit(attributes.measure(train.images[:, 0]), train.labels)
    terciles = 1 + scale.terciles(attributes.measure(images[:, 0]), classes)
    for column, name in enumerate(attributes.ATTRIBUTES):
        has_wish = codes[:, 1 + column] > 0
        if has_wish.any():
            shares[name] = share(terciles[has_wish, column] == codes[has_wish, 1 + column], confidence)
    return shares


def share(hits: np.ndarray, confidence: float) -> Interval:
    """The share of true values in ``hits``, bool [n], with Wilson's interval (Wilson 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(confidence, method="wilson")
    return Interval(value=float(hits.mean()), low=float(interval.low), high=float(interval.high))
