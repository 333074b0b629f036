"""FID: the Fréchet distance between the features of the images and of the test split (Heusel 2017)."""

from __future__ import annotations

import numpy as np

from ganlib.core.progress import doing
from ganlib.evaluation.distances import frechet_statistic
from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


@doing("resample the FID")
def compute(sample: Sample) -> np.ndarray:
    """Return the FID and its replicates."""
    return sample.replicates(frechet_statistic(sample.features, sample.real.moments))


METRIC = Metric("FID", "lower", compute, least=0)
