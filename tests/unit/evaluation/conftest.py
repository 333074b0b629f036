"""Features like the judge's, and the judge on real MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganlib.config import EvaluateConfig
from ganlib.data.splits import load_split
from ganlib.evaluation.judge.mnist.judge import MnistJudge, load_judge
from ganlib.evaluation.reference import Reference, load_reference
from tests.support.once import once

QUICK = EvaluateConfig(samples=2000, bootstrap=100, kid_subsets=10, kid_subset_size=500)


def skewed(n: int, d: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Non-negative, correlated features float32 [n, d], as the judge's are after ReLU."""
    draw = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(d, d)) / np.sqrt(d)
    return (draw.normal(size=(n, d)) @ mix + shift).clip(min=0).astype(np.float32)


@pytest.fixture(scope="session")
def prepared(checkout: Path) -> Path:
    """Real MNIST; `make test` prepares it first."""
    folder = checkout / "data" / "prepared"
    if not folder.exists():
        pytest.skip("no data version: .venv/bin/ganlib data version")
    return folder


@pytest.fixture(scope="session")
def train(prepared: Path) -> np.ndarray:
    """Real training images, uint8 [2000, 1, 28, 28], from all over the split (writers are in order)."""
    images = load_split(prepared, "train").images
    return images[:: len(images) // 2000][:2000]


@pytest.fixture(scope="session")
def judge() -> MnistJudge:
    return load_judge()


@pytest.fixture(scope="session")
def reference(prepared: Path, judge: MnistJudge) -> Reference:
    """Of all test images and every ninth training image, among which are those of :func:`train`: judging takes time."""

    def make(folder: Path) -> None:
        folder.mkdir()
        for name, step in (("train", 9), ("test", 1)):
            for part in ("images", "labels"):
                np.save(folder / f"{name}-{part}.npy", np.load(prepared / f"{name}-{part}.npy")[::step])
        load_reference(folder, "md5", judge, QUICK, cache=folder / "cache")

    ninth = once("ninth", make)
    assert ninth
    return load_reference(ninth, "md5", judge, QUICK, cache=ninth / "cache")
