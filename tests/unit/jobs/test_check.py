"""The checks of a training, with images that are what a test says they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganlib import families
from ganlib.data.splits import file_names, load_split
from ganlib.families.base import Family
from ganlib.jobs.check import Checker
from tests.conftest import ROOT

REAL = ROOT / "data" / "prepared"


class Draws(nn.Module):
    """A generator whose images are given."""

    def __init__(self, images: np.ndarray) -> None:
        super().__init__()
        self.images = torch.from_numpy(images[:, None]).float() / 127.5 - 1

    def forward(self, noise: Tensor) -> Tensor:
        return self.images[: len(noise)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A validation split of 300 images."""
    folder = tmp_path_factory.mktemp("prepared")
    for file, array in zip(file_names("validation"), load_split(REAL, "validation"), strict=True):
        np.save(folder / file, array[:300])
    return folder


def checker(prepared: Path, logged: list[tuple[dict[str, float], int]], name: str = "vae") -> tuple[Family, Checker]:
    family = families.load(name)(families.options(name, {"channels": 8, "batch_size": 100}))
    family.horizon = 10_000
    return family, Checker(family, prepared, lambda m, s: logged.append((m, s)), samples=300, seed=0)


def test_real_images_score_well_and_are_sound(prepared: Path) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    _, check = checker(prepared, logged)
    verdict = check(Draws(load_split(REAL, "validation").images[300:600]), 9_000, 1.0)
    assert verdict.problem is None
    assert verdict.score is not None
    assert 0 < verdict.score < 50
    ((metrics, step),) = logged
    assert step == 9_000
    assert metrics["validation_fid"] == verdict.score
    assert metrics["validation_diversity"] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(
    ("step", "best", "found"),
    [(100, float("inf"), False), (100, 1.0, True), (1_900, float("inf"), False), (5_000, float("inf"), True)],
    ids=["never better", "was better", "early", "late"],
)
def test_one_image_is_a_collapse_where_there_was_more_or_should_be(
    step: int, best: float, found: bool, prepared: Path
) -> None:
    _, check = checker(prepared, [])
    one = np.repeat(load_split(REAL, "validation").images[:1], 300, axis=0)
    problem = check(Draws(one), step, best).problem
    assert ("mode collapse" in problem) if problem else not found


@pytest.mark.parametrize(
    ("name", "first"), [("vae", 0), ("vqgan", 4_000), ("pggan", 2_799), ("tcgan", 2_000), ("ae", 10_001)]
)
def test_a_family_that_lacks_a_part_is_not_scored_before_it_is_there(name: str, first: int, prepared: Path) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    family, check = checker(prepared, logged, name)
    assert family.comparable_from() == first
    verdict = check(nn.Identity(), first - 1, 1.0) if first else None
    assert not logged
    assert verdict is None or verdict.score is verdict.problem is None


def test_what_the_moving_average_gained_is_logged(prepared: Path) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    _, check = checker(prepared, logged)
    check.compare(3.0, 7)
    ((metrics, step),) = logged
    assert step == 7
    assert metrics["validation_fid_gained_by_ema"] == metrics["validation_fid_raw"] - 3.0
