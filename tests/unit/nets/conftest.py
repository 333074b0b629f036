"""What the tests of all nets share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from torch import nn

from ganlib.config import ExportConfig
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export

Exported = Callable[[nn.Module, int], onnx.ModelProto]


@pytest.fixture
def exported(tmp_path: Path) -> Exported:
    """Export a net of so many noise dimensions; parity at every batch size is asserted on the way."""

    def run(net: nn.Module, noise_dim: int) -> onnx.ModelProto:
        path = tmp_path / "net.onnx"
        certificate = export(net, noise_dim, path, ExportConfig(), {}, MNIST)
        assert certificate.batches == (1, 2, 7, 64, 1000)
        assert certificate.ok(1), certificate
        return onnx.load(path)

    return run
