"""A real exported model, opened once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.config import ExportConfig
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export
from ganlib.generation.session import OnnxModel
from tests.unit.export.nets import NOISE_DIM, trained_like


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ONNX file of a small generator."""
    path = tmp_path_factory.mktemp("model") / "generator.onnx"
    export(trained_like(), NOISE_DIM, path, ExportConfig(parity_batches=(2,)), {"family": "dcgan"}, MNIST)
    return path


@pytest.fixture(scope="session")
def model(model_path: Path) -> OnnxModel:
    """The same, opened."""
    return OnnxModel(model_path)
