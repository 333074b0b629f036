"""The checks of a training, with images that are what a test says they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganlib import families
from ganlib.config import Limits
from ganlib.data.batches import DeviceBatches
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.splits import file_names, load_split
from ganlib.evaluation.judge.mnist.judge import load_judge
from ganlib.families.parts.base import Family
from ganlib.jobs.training.check import Checker
from ganlib.training import loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.ema import Ema
from tests.conftest import ROOT

REAL = ROOT / "data" / "prepared"


class Draws(nn.Module):
    """A generator whose images are given."""

    def __init__(self, images: np.ndarray) -> None:
        super().__init__()
        self.images = torch.from_numpy(images).float() / 127.5 - 1

    def forward(self, noise: Tensor) -> Tensor:
        return self.images[: len(noise)]


def split_of(folder: Path, count: int) -> Path:
    for file, array in zip(file_names("validation")[:2], load_split(REAL, "validation")[:2], strict=True):
        np.save(folder / file, array[:count])
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A validation split of 300 images."""
    return split_of(tmp_path_factory.mktemp("prepared"), 300)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of 50 images, where no figure matters: judging takes time."""
    return split_of(tmp_path_factory.mktemp("few"), 50)


def checker(prepared: Path, logged: list[tuple[dict[str, float], int]], name: str = "vae") -> tuple[Family, Checker]:
    family = families.build(name, families.options(name, {"channels": 8, "batch_size": 100}), MNIST)
    family.horizon = 10_000
    return family, Checker(family, prepared, lambda m, s: logged.append((m, s)), judge=load_judge, samples=300, seed=0)


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
    ("name", "first"), [("vae", 0), ("vqgan", 3_000), ("pggan", 2_799), ("tcgan", 2_000), ("ae", 10_001)]
)
def test_a_family_that_lacks_a_part_is_not_scored_before_it_is_there(name: str, first: int, prepared: Path) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    family, check = checker(prepared, logged, name)
    assert family.comparable_from() == first
    verdict = check(nn.Identity(), first - 1, 1.0) if first else None
    assert not logged
    assert verdict is None or verdict.score is verdict.problem is None


def test_what_the_moving_average_gains_is_logged_at_every_check(prepared: Path) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    _, check = checker(prepared, logged)
    images = load_split(REAL, "validation").images
    scores = [check(Draws(images[begin : begin + 300]), begin, 1.0).score for begin in (300, 600)]
    assert [metrics["validation_fid"] for metrics, _ in logged] == scores
    for metrics, _ in logged:
        assert metrics["validation_fid_gained_by_ema"] == metrics["validation_fid_raw"] - metrics["validation_fid"]
        assert metrics["validation_fid_gained_by_ema"] > 0  # real images against an untrained net
    assert logged[0][0]["validation_fid_raw"] == logged[1][0]["validation_fid_raw"]  # the same draws each time


def test_the_raw_generator_is_left_out_where_nobody_asks_for_it(prepared: Path) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    family, _ = checker(prepared, [])
    check = Checker(
        family, prepared, lambda m, s: logged.append((m, s)), judge=load_judge, samples=300, seed=0, raw=False
    )
    check(Draws(load_split(REAL, "validation").images[300:600]), 7, 1.0)
    assert "validation_fid" in logged[0][0]
    assert not {"validation_fid_raw", "validation_fid_gained_by_ema"} & logged[0][0].keys()


EVERY = families.names()


def begun(name: str) -> tuple[Family, Ema]:
    torch.manual_seed(3)
    small: dict[str, object] = {"channels": 8, "batch_size": 16, "latent_dim": 8}
    small |= {"width": 32, "layers": 1, "heads": 2} if name == "vqgan" else {}  # of its prior
    family = families.build(name, families.options(name, small), MNIST)
    return family, Ema(family.generator, 500)


@pytest.mark.parametrize("name", EVERY)
def test_a_check_leaves_the_family_and_the_random_state_as_they_were(name: str, few: Path) -> None:
    family, ema = begun(name)
    family.train().horizon = 12
    next(family.generator.children()).eval()  # whatever the modes are
    for place, parameter in enumerate(family.parameters()):
        parameter.requires_grad_(place % 2 == 0)
    check = Checker(family, few, lambda metrics, step: None, judge=load_judge, samples=40, seed=0)
    check(ema.module, 12, 1.0)  # reads the judge and the split
    random = torch.get_rng_state()
    weights = {key: value.clone() for key, value in family.state_dict().items()}
    modes = [part.training for part in family.modules()]
    check(ema.module, 12, 1.0)
    assert torch.equal(random, torch.get_rng_state())
    assert [part.training for part in family.modules()] == modes
    assert [p.requires_grad for p in family.parameters()] == [k % 2 == 0 for k in range(len(list(family.parameters())))]
    for key, value in weights.items():
        assert torch.equal(value, family.state_dict()[key]), key


@pytest.mark.parametrize("name", EVERY)
def test_a_run_ends_with_the_same_bits_with_checks_and_without(name: str, few: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 256, (100, 1, 28, 28), dtype=np.uint8), draw.integers(0, 10, 100)
    ranks = draw.random((100, 3), np.float32)
    ends, logged = [], list[int]()
    for checks in (3, 0):
        family, ema = begun(name)
        check = Checker(family, few, lambda metrics, step: logged.append(step), judge=load_judge, samples=40, seed=0)
        plan = loop.Plan(
            "t", 7, Limits(steps=12, seconds=600), Checkpoints(tmp_path / f"{checks}.pt", {}), checks=checks,
            check_share=1e9,
        )  # fmt: skip
        data = DeviceBatches(images, labels, 16, 7, torch.device("cpu"), ranks=ranks)
        loop.fit(family, ema, data, plan, loop.Hooks(check=check))
        ends.append({**family.state_dict(), **{f"ema.{key}": value for key, value in ema.module.state_dict().items()}})
        assert logged == [step for step in (4, 8, 12) if step >= family.comparable_from()]
    for key, value in ends[0].items():
        assert torch.equal(value, ends[1][key]), key
