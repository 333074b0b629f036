"""The family of docs/adding-a-family.md, as a newcomer would add it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from ganlib import families
from ganlib.config import ExportConfig, Limits
from ganlib.data.batches import DeviceBatches
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export
from ganlib.generation.session import OnnxModel
from ganlib.training import loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.ema import Ema
from tests.conftest import ROOT


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page's code as a file of the package."""
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/adding-a-family.md").read_text(), re.DOTALL)
    assert code
    (tmp_path / "toy.py").write_text(code.group(1))
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    return "toy"


def test_one_file_of_twenty_lines_is_listed_trained_exported_and_drawn(toy: str, tmp_path: Path) -> None:
    assert toy in families.names()
    family = families.build(toy, families.options(toy, {"channels": 16, "batch_size": 16, "n_critic": 2}), MNIST)
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (64, 1, 28, 28), dtype=np.uint8)
    batches = DeviceBatches(images, np.zeros(64, np.int64), 16, 0, torch.device("cpu"))
    ema = Ema(family.generator, 100)
    plan = loop.Plan("toy", 0, Limits(steps=6, seconds=60), Checkpoints(tmp_path / "c.pt", {}))
    assert loop.fit(family, ema, batches, plan, loop.Hooks()).steps == 6
    certificate = export(
        ema.module, family.noise_dim, tmp_path / "g.onnx", ExportConfig(parity_batches=(1, 7)), {"family": toy}, MNIST
    )
    assert certificate.ok(1)
    assert OnnxModel(tmp_path / "g.onnx").images(0, 0, 3).shape == (3, 1, 28, 28)


def test_the_page_is_as_short_as_it_says(toy: str, tmp_path: Path) -> None:
    lines = [line for line in (tmp_path / "toy.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 20
