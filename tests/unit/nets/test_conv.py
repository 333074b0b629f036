"""The convolutional nets' own layers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from ganlib.config import ExportConfig
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export
from ganlib.nets.conv import ConvGenerator, ToImage


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(14, 14), (3, 5)])
@pytest.mark.parametrize("outputs", [1, 3])
def test_to_image_is_the_transposed_convolution_and_so_are_its_gradients(
    memory_format: Any, size: tuple[int, int], outputs: int
) -> None:
    torch.manual_seed(0)
    ours = ToImage(6, outputs).double().to(memory_format=memory_format)
    plain = nn.ConvTranspose2d(6, outputs, 4, 2, 1).double()
    plain.load_state_dict(ours.state_dict())
    features = torch.randn(4, 6, *size, dtype=torch.float64).to(memory_format=memory_format).requires_grad_(True)
    found, expected = ours(features), plain(features)
    assert found.shape == (4, outputs, 2 * size[0], 2 * size[1])
    assert torch.allclose(found, expected, rtol=1e-12)
    above = torch.randn_like(found)
    for mine, theirs in zip(
        torch.autograd.grad(found, [features, *ours.parameters()], above),
        torch.autograd.grad(expected, [features, *plain.parameters()], above),
        strict=True,
    ):
        assert torch.allclose(mine, theirs, rtol=1e-10, atol=1e-12)


def test_to_image_runs_under_autocast_and_is_exported_as_the_plain_operator(tmp_path: Path) -> None:
    net = ConvGenerator(MNIST.image, 4, 8).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = net(torch.ones(2, 4)).float()
    assert torch.allclose(rough, net(torch.ones(2, 4)), atol=0.02)
    export(net, 4, tmp_path / "g.onnx", ExportConfig(parity_batches=(2,)), {"family": "dcgan"}, MNIST)
    operators = Counter(node.op_type for node in onnx.load(tmp_path / "g.onnx").graph.node)
    assert operators["ConvTranspose"] == 3
    assert not operators["Col2Im"]
