"""Coverage: the share of real balls with an image in them (Naeem 2020)."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


def compute(sample: Sample) -> np.ndarray:
    """Return the coverage and its replicates."""
    return sample.mean(sample.real_balls.fill > 0)


METRIC = Metric("coverage", "higher", compute, least=0)
