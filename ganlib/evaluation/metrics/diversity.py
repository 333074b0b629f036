"""Diversity: the variance of features within classes over that of real images; 0 is one image a class."""

from __future__ import annotations

import numpy as np

from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample
from ganlib.evaluation.variance import within_statistic


def compute(sample: Sample) -> np.ndarray:
    """Return the diversity and its replicates; without classes, of all images together."""
    return sample.replicates(within_statistic(sample.features, sample.classes, sample.real.variance))


METRIC = Metric("diversity within classes", "near 1", compute, least=0, fault="diversity")
