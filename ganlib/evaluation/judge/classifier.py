"""Train a judge where there are labels: a small classifier, whose features before the last layer are the judge's."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganlib.core.progress import Report, silent
from ganlib.data.spec import ImageShape
from ganlib.evaluation.judge.own_net import FEATURES, body, fold
from ganlib.evaluation.judge.schedule import BATCH, one_cycle


def fit_classifier(
    images: np.ndarray, labels: np.ndarray, shape: ImageShape, classes: int, steps: int, report: Report = silent
) -> tuple[nn.Sequential, nn.Linear]:
    """Return layers and head (see :func:`ganlib.evaluation.judge.own_net.to_onnx`) after so many steps.

    Nothing is selected: neither validation nor test images have a say. Labels are not smoothed: smoothing draws each
    class together in feature space, and what varies within a class is what the metrics are there to see. All that is
    drawn comes from torch's generator, so the caller seeds it.

    Args:
        images: uint8 [n, channels, height, width], of ``shape``.
        labels: int64 [n], below ``classes``.
        shape: of an image.
        classes: how many there are.
        steps: of :data:`ganlib.evaluation.judge.schedule.BATCH` images.
        report: told of progress.
    """
    pixels, targets = torch.from_numpy(images), torch.from_numpy(labels)
    layers, head = body(shape), nn.Linear(FEATURES, classes)
    # Dropout of features makes the classifier lean on all of them.
    net = nn.Sequential(layers, nn.Dropout(0.3), head).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    order = balanced_order(labels, steps * BATCH).view(steps, BATCH)

    def loss(step: int) -> Tensor:
        indices = order[step]
        return F.cross_entropy(net(warp(pixels[indices].float() / 255)), targets[indices])

    one_cycle(net, steps, loss, report)
    return fold(layers), head


def balanced_order(labels: np.ndarray, total: int) -> Tensor:
    """Return ``total`` places in ``labels`` int64, in an order to train on: each class by the root of its share.

    Of 10,000 images of one class and 40 of another, one drawn in 17 is of the other: often enough to be learnt, and
    not so often that it is all that the judge learns. Within a class each image comes before any comes again.
    """
    present, counts = np.unique(labels, return_counts=True)
    shares = np.sqrt(counts) / np.sqrt(counts).sum()
    quotas = np.diff(np.rint(np.concatenate([[0], shares.cumsum()]) * total).astype(int))
    parts = []
    for label, quota in zip(present, quotas, strict=True):
        places = torch.from_numpy(np.flatnonzero(labels == label))
        rounds = [places[torch.randperm(len(places))] for _ in range(-(-quota // len(places)))]
        parts.append(torch.cat([*rounds, places[:0]])[:quota])
    order = torch.cat(parts)
    return order[torch.randperm(total)]


def warp(images: Tensor) -> Tensor:
    """Return each image turned by up to 10 degrees, scaled by up to 10%, shifted by up to a twelfth of its side.

    Takes and gives float32 [n, channels, height, width]; what comes in from outside continues the border. Nothing is
    mirrored: b is no d.
    """
    count = len(images)

    def spread(limit: float, *shape: int) -> Tensor:
        return (2 * torch.rand(count, *shape) - 1) * limit

    angle, scale, shift = spread(0.17), 1 + spread(0.1), spread(1 / 6, 2)
    matrix = torch.stack(
        (
            torch.stack((scale * angle.cos(), -scale * angle.sin(), shift[:, 0]), dim=1),
            torch.stack((scale * angle.sin(), scale * angle.cos(), shift[:, 1]), dim=1),
        ),
        dim=1,
    )
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    out = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return out.contiguous(memory_format=torch.channels_last)
