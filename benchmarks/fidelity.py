"""FID and KID by torch-fidelity and by ganlib, of the same features: `python -m benchmarks.fidelity COLOUR.onnx`.

COLOUR.onnx is what `ganlib export MODEL --rgb` writes, of a model of MNIST without labels. torch-fidelity draws the
images and makes the features by MNIST's judge, which it is given as a feature extractor; these features then go
through both. It is not among the project's packages: docs/judges.md says how to get it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch_fidelity
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from ganlib.core import project
from ganlib.data.splits import load_split
from ganlib.evaluation.distances import frechet_distance, kernel_statistic, moments
from ganlib.evaluation.judge.mnist.judge import load_judge
from ganlib.export.contract import read_contract

IMAGES = 2000  # drawn, and of the test split; one KID subset of all of them, so that no chance is left
SEED = 2020
NEAR = 1e-3
"""Relative difference that is allowed."""


class Judge(FeatureExtractorBase):  # type: ignore[misc]
    """MNIST's judge, which looks at the first of the three channels."""

    kept: ClassVar[list[np.ndarray]] = []
    """The features that it made, batch by batch."""

    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        """Load the judge."""
        super().__init__(name, features_list)
        self.judge = load_judge()

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        """Name what it makes."""
        return ("features",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        """Use the same for all metrics."""
        return "features"

    @staticmethod
    def can_be_compiled() -> bool:
        """Run as it is."""
        return False

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the features float32 [n, 128] of uint8 images [n, 3, 28, 28]."""
        features = self.judge.features(images[:, :1].numpy()).features
        self.kept.append(features)
        return (torch.from_numpy(features),)


class Digits(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Test images in three channels."""

    def __init__(self, images: np.ndarray) -> None:
        """Take grey images uint8 [n, 1, 28, 28]."""
        self.images = torch.from_numpy(images.repeat(3, axis=1))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Return one of them."""
        image: torch.Tensor = self.images[index]
        return image


def main(path: str) -> int:
    """Print both; 1 if they differ by more than :data:`NEAR`."""
    torch_fidelity.register_feature_extractor("judge", Judge)
    theirs = torch_fidelity.calculate_metrics(
        input1=path,
        input1_model_z_size=read_contract(Path(path)).noise_dim,
        input1_model_num_samples=IMAGES,
        input2=Digits(load_split(project.find().prepared, "test").images[:IMAGES]),
        feature_extractor="judge",
        fid=True,
        kid=True,
        kid_subsets=1,
        kid_subset_size=IMAGES,
        rng_seed=SEED,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    drawn, real = np.split(np.concatenate(Judge.kept)[: 2 * IMAGES], 2)
    kid = kernel_statistic(drawn, real, subsets=1, size=IMAGES, seed=0)(np.ones((1, 500)))[0]
    ours = {"frechet": frechet_distance(moments(drawn), moments(real)), "kernel": float(kid)}
    near = True
    for name, value in ours.items():
        (other,) = (theirs[key] for key in theirs if key.startswith(name) and not key.endswith("std"))
        near = near and abs(value - other) <= NEAR * abs(other)
        print(f"{name} distance of {IMAGES:,} images to as many: ganlib {value:.7g}, torch-fidelity {other:.7g}")
    return int(not near)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
