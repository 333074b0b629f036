"""The mean distance in feature space to the nearest training image; beside it stands that of the test split."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


def compute(sample: Sample) -> np.ndarray:
    """Return the mean distance and its replicates."""
    return sample.mean(sample.nearest.distance)


METRIC = Metric("distance to the training images", "near real", compute, least=0)
