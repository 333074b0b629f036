"""Trainings side by side, as `ganlib tune --jobs` and `ganlib compare --train --jobs` run them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ganlib.config import load
from ganlib.core.project import Project
from ganlib.generation.session import OnnxModel
from ganlib.jobs.training.launch import train_in_child
from tests.services import project as projects

pytestmark = [pytest.mark.services, pytest.mark.slow]


def test_each_of_two_at_once_is_what_it_is_alone(tmp_path: Path) -> None:
    project = Project(projects.make(tmp_path / "p"))
    changes = ["budgets.smoke={steps: 4, seconds: 600}"]

    def images(seed: int) -> np.ndarray:
        overrides = [*changes, f"train.seed={seed}"]
        result = train_in_child(
            project, load(project.params_file, overrides), "dcgan", budget="smoke", concurrent=2, overrides=overrides,
            variables={"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        model = OnnxModel(result.onnx)
        return model.draw(model.request(0), 0, 16)

    alone = images(1)
    with ThreadPoolExecutor(2) as pool:
        other, same = pool.map(images, (0, 1))
    np.testing.assert_array_equal(same, alone)
    assert (other != alone).any()
