"""Recall: the share of real images within the manifold of the images (Kynkäänniemi 2019)."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


def compute(sample: Sample) -> np.ndarray:
    """Return the recall and its replicates."""
    return sample.mean(sample.own_balls.holding > 0)


METRIC = Metric("recall", "higher", compute, least=0)
