"""Density: in how many real balls an image lies, over k (Naeem 2020); about 1 for real images, and can exceed it."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


def compute(sample: Sample) -> np.ndarray:
    """Return the density and its replicates."""
    return sample.mean(sample.real_balls.holding / sample.config.neighbours)


METRIC = Metric("density", "higher", compute, least=0)
