"""The graph that speed is measured with where no other is named: a dcgan with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ganlib import families
from ganlib.config import ExportConfig
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec
from ganlib.export.onnx import export


def write(path: Path, spec: DatasetSpec = MNIST) -> nn.Module:
    """Export it to ``path``, for images that ``spec`` describes; return the net."""
    options = families.options("dcgan", {})
    torch.manual_seed(0)
    net = families.build("dcgan", options, spec).generator.eval().requires_grad_(False)
    export(net, options.latent_dim, path, ExportConfig(parity_batches=(2,)), {"family": "dcgan"}, spec)
    return net
