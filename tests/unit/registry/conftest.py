"""Real graphs to register."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import factories


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three different exported generators."""
    folder = tmp_path_factory.mktemp("graphs")
    paths = [folder / f"{seed}.onnx" for seed in range(3)]
    for seed, path in enumerate(paths):
        factories.graph(path, seed)
    return paths
