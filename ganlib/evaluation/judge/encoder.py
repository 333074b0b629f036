"""Train a judge where there are no labels: a net that learns to tell clusters of the images apart."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganlib.core.progress import Report, silent
from ganlib.data.spec import ImageShape
from ganlib.evaluation.judge.classifier import fit_classifier

_SIDE = 16  # of what clusters are made by: a coarse view, in which a shifted image is not yet another one
_AMONG = 10_000  # images that the centres are found with, at most
_ROUNDS = 20


def fit_encoder(images: np.ndarray, shape: ImageShape, steps: int, report: Report = silent) -> nn.Sequential:
    """Return layers (see :func:`ganlib.evaluation.judge.own_net.to_onnx`) after so many steps on uint8 ``images``.

    Their clusters stand in for classes, and all else is as where there are labels: the first round of deep clustering
    (Caron 2018). To name the cluster of an image however it is moved, the net has to see what it shows, and nothing has
    taught it to overlook blur or noise. All that is drawn comes from torch's generator, so the caller seeds it.
    """
    count = clusters_for(len(images))
    labels = cluster(images, count).numpy()
    layers, _ = fit_classifier(images, labels, shape, count, steps, report)
    return layers


def clusters_for(images: int) -> int:
    """Return how many clusters so many images are put into: fifty, or of fewer than a thousand one for twenty."""
    return max(2, min(50, images // 20))


def cluster(images: np.ndarray, count: int) -> Tensor:
    """Return the place int64 [n] of each of uint8 ``images`` [n, channels, height, width] among ``count`` clusters."""
    coarse = torch.cat([_coarse(part) for part in torch.split(torch.from_numpy(images), 1000)])
    sample = coarse[torch.randperm(len(coarse))[:_AMONG]]
    centres = sample[:count].clone()
    for _ in range(_ROUNDS):
        nearest = _nearest(sample, centres)
        sizes = torch.bincount(nearest, minlength=count)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, nearest, sample)
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
    return torch.cat([_nearest(part, centres) for part in torch.split(coarse, 1000)])


def _coarse(images: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(images.float() / 255, _SIDE).flatten(1)


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    return (centres.square().sum(dim=1) - 2 * points @ centres.T).argmin(dim=1)
