"""A real exported model, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.config import ExportConfig
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import Certificate, export
from tests.unit.export.nets import NOISE_DIM, trained_like


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Certificate]:
    """An ONNX file, with the default configuration, and its certificate."""
    path = tmp_path_factory.mktemp("export") / "generator.onnx"
    return path, export(trained_like(), NOISE_DIM, path, ExportConfig(), {"family": "dcgan", "run_id": "r1"}, MNIST)
