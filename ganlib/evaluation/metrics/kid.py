"""KID: the squared MMD between the features of the images and of the test split, without bias (Binkowski 2018)."""

from __future__ import annotations

import numpy as np

from ganlib.core.progress import doing
from ganlib.evaluation.distances import kernel_statistic
from ganlib.evaluation.metrics import Metric
from ganlib.evaluation.sample import Sample


@doing("resample the KID")
def compute(sample: Sample) -> np.ndarray:
    """Return the KID and its replicates."""
    config = sample.config
    return sample.replicates(
        kernel_statistic(
            sample.features,
            sample.real.test,
            subsets=config.kid_subsets,
            size=config.kid_subset_size,
            seed=config.seed,
        )
    )


METRIC = Metric("KID", "lower", compute)
