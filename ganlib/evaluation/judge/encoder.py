"""Train a judge where there are no labels: an encoder that learns to tell images apart however they are moved."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganlib.core.progress import Report, silent
from ganlib.data.spec import ImageShape
from ganlib.evaluation.judge.classifier import warp
from ganlib.evaluation.judge.own_net import FEATURES, body, fold
from ganlib.evaluation.judge.schedule import BATCH, one_cycle

_WIDTH = 256


def fit_encoder(images: np.ndarray, shape: ImageShape, steps: int, report: Report = silent) -> nn.Sequential:
    """Return layers (see :func:`ganlib.evaluation.judge.own_net.to_onnx`) after so many steps on uint8 ``images``.

    Two views of an image, each moved, turned and scaled in its own way, are to have the same code, while codes vary
    over images and their parts are uncorrelated (Bardes 2022, VICReg). No view is blurred, faded or noisy, so that what
    is stays visible in the features. All that is drawn comes from torch's generator, so the caller seeds it.
    """
    pixels = torch.from_numpy(images)
    layers = body(shape)
    projector = nn.Sequential(
        nn.Linear(FEATURES, _WIDTH, bias=False), nn.BatchNorm1d(_WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH)
    )
    net = nn.Sequential(layers, projector).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss(_: int) -> Tensor:
        chosen = pixels[torch.randint(len(pixels), (BATCH,))].float() / 255
        one, other = net(torch.cat([warp(chosen), warp(chosen)])).chunk(2)
        return 25 * F.mse_loss(one, other) + (_spread(one) + _spread(other)) / 2

    one_cycle(net, steps, loss, report)
    return fold(layers)


def _spread(codes: Tensor) -> Tensor:
    """How far ``codes`` [n, width] are from varying by one in each part, and from parts that are uncorrelated."""
    centred = codes - codes.mean(dim=0)
    covariance = centred.T @ centred / (len(codes) - 1)
    mixed = (covariance.square().sum() - covariance.diagonal().square().sum()) / codes.shape[1]
    return 25 * F.relu(1 - (codes.var(dim=0) + 1e-4).sqrt()).mean() + mixed
