"""Copies: the share of images that are near copies of training images (:data:`ganlib.evaluation.sample.NEAR`)."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


def compute(sample: Sample) -> np.ndarray:
    """Return the share and its replicates."""
    return sample.mean(sample.copied)


METRIC = Metric("near copies of training images", "lower", compute, least=0, fault="memorisation", percent=True)
