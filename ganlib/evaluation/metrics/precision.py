"""Precision: the share of images within the real manifold (Kynkäänniemi 2019)."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


def compute(sample: Sample) -> np.ndarray:
    """Return the precision and its replicates."""
    return sample.mean(sample.real_balls.holding > 0)


METRIC = Metric("precision", "higher", compute, least=0)
