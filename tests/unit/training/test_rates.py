"""Learning rates that fall: by hand, in a step, in a checkpoint, after a rollback."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganlib.families.parts.base import Family, OptimizerOptions
from ganlib.training.checkpoint import Checkpoints, Progress
from ganlib.training.ema import Ema
from ganlib.training.rates import LearningRates, recordable, scale
from tests.unit.training.test_step import SIZE, build, steps, weights

TIMESCALE = 3 * SIZE
"""After three steps a rate has fallen by the square root of two, after nine to a half."""


def optimizer(name: str, timescale: int | None = 100) -> torch.optim.Optimizer:
    options = OptimizerOptions.model_validate({"name": name, "learning_rate": 0.004, "timescale": timescale})
    return options.build(torch.nn.Linear(1, 1))


def rates(family: Family) -> list[float]:
    return [float(group["lr"]) for each in family.optimizers.values() for group in each.param_groups]


def falling() -> Family:
    row = {"learning_rate": 0.004, "betas": (0.0, 0.99), "timescale": TIMESCALE}
    return build("dcgan", generator=row, discriminator={"learning_rate": 0.002, "timescale": None})


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
def test_a_rate_falls_with_the_root_of_the_images_and_is_what_a_step_takes(name: str) -> None:
    made = optimizer(name)
    (group,) = made.param_groups
    falling = LearningRates([made])
    for images, rate in ((0, 0.004), (100, 0.004 / 2**0.5), (300, 0.002), (1500, 0.001)):
        falling.fall(images)
        assert float(group["lr"]) == pytest.approx(rate)
    weight = group["params"][0]
    before = weight.detach().clone()
    weight.grad = torch.ones_like(weight)
    made.step()
    # The first step of Adam is the rate itself, of RMSprop the rate / sqrt(1 - 0.99).
    length = {"rmsprop": 0.01}.get(name, 0.001)
    decay = 0.001 * 0.01 * before if name == "adamw" else 0.0
    assert torch.allclose(before - weight.detach(), length + decay * torch.ones_like(before), rtol=1e-4)


def test_a_rate_without_a_time_scale_stays_as_it_was() -> None:
    made = optimizer("adam", None)
    LearningRates([made]).fall(10**9)
    assert made.param_groups[0]["lr"] == 0.004


def test_a_rate_that_an_optimiser_reads_on_the_host_keeps_its_steps_from_being_recorded() -> None:
    assert recordable([optimizer("adam"), optimizer("rmsprop"), optimizer("sgd", None)])
    assert not recordable([optimizer("adam"), optimizer("sgd")])


def test_a_scaled_rate_falls_from_there() -> None:
    made = optimizer("adam")
    falling = LearningRates([made])
    falling.fall(300)
    scale(made, 0.5)
    assert float(made.param_groups[0]["lr"]) == pytest.approx(0.001)
    falling.fall(1500)
    assert float(made.param_groups[0]["lr"]) == pytest.approx(0.0005)


def test_a_step_has_the_rate_of_the_images_before_it_and_only_where_the_options_say_so() -> None:
    family = falling()
    take, found = steps(family), []
    for step in range(10):
        take(step)
        found.append(rates(family))
    assert [found[step][0] for step in (0, 3, 9)] == pytest.approx([0.004, 0.004 / 2**0.5, 0.002])
    assert {constant for _, constant in found} == {0.002}


def test_a_run_that_is_resumed_ends_where_one_that_was_not_does_and_a_rollback_halves_what_is_to_come(
    tmp_path: Path,
) -> None:
    whole, halves, kept = falling(), falling(), Checkpoints(tmp_path / "c.pt", {})
    for family, first, last in ((whole, 0, 12), (halves, 0, 6)):
        take = steps(family)
        for step in range(first, last):
            take.seed(step)
            take(step)
    kept.save(halves, Ema(halves.generator, 100), Progress(step=6, seconds=1.0), healthy=True)
    resumed = falling()
    kept.restore(resumed, Ema(resumed.generator, 100))
    take = steps(resumed)
    for step in range(6, 12):
        take.seed(step)
        take(step)
    assert torch.equal(weights(resumed), weights(whole))
    assert rates(resumed) == rates(whole)

    kept.save(halves, Ema(halves.generator, 100), replace(Progress(step=6, seconds=1.0), step=9))
    assert kept.roll_back(resumed, Ema(resumed.generator, 100), most=1) is not None
    take = steps(resumed)
    take(9)
    assert rates(resumed) == pytest.approx([0.001, 0.001])
