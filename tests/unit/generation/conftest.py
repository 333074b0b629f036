"""A real exported model, opened once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.generation.session import OnnxModel
from tests import factories


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ONNX file of a small generator."""
    path = tmp_path_factory.mktemp("model") / "generator.onnx"
    factories.graph(path)
    return path


@pytest.fixture(scope="session")
def model(model_path: Path) -> OnnxModel:
    """The same, opened."""
    return OnnxModel(model_path)
