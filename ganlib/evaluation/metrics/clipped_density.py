"""Clipped density (Salvy 2025): the density of the images over real ones' own, where nothing counts for too much.

No ball is wider than the median one, so that a real image that lies apart vouches for few; an image counts for no more
than k balls. The share of images that are as good as real ones: 1 if all are.
"""

from __future__ import annotations

import numpy as np

from ganlib.core.progress import doing
from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.neighbours import balls
from ganlib.evaluation.sample import Sample


@doing("measure the clipped density")
def compute(sample: Sample) -> np.ndarray:
    """Return the clipped density and its replicates."""
    k, real = sample.config.neighbours, sample.real.test
    radius = np.minimum(sample.ball, np.median(sample.ball))
    holding = np.minimum(balls(real, radius, sample.features).holding, k)
    own = np.minimum(balls(real, radius, real).holding - 1, k)  # not its own neighbour
    density: np.ndarray = np.minimum(sample.mean(holding) / own.mean(), 1)
    return density


METRIC = Metric("clipped density", "higher", compute, least=0)
