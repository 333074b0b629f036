"""The loop: exact resume, budgets, refusal of NaN, the moving average, and the data order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ganlib import families
from ganlib.config import Limits
from ganlib.core.errors import BadInput
from ganlib.data.batches import DeviceBatches
from ganlib.data.conditions import draw
from ganlib.data.mnist.dataset import MNIST
from ganlib.families.parts.base import Family, Phase, TrainingBatch
from ganlib.training import loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.device import prepare
from ganlib.training.ema import Ema
from ganlib.training.health import OutOfMemory, Unhealthy
from tests.support.clock import set_clock

CPU = torch.device("cpu")
EVERY = families.names()


def data(batch_size: int = 16, n: int = 100) -> DeviceBatches:
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 256, (n, 1, 28, 28), dtype=np.uint8), draw.integers(0, 10, n)
    return DeviceBatches(images, labels, batch_size, 7, CPU, ranks=draw.random((n, 3), np.float32))


def start(name: str) -> tuple[Family, Ema]:
    torch.manual_seed(3)
    family = families.build(name, families.options(name, {"channels": 8, "batch_size": 16, "latent_dim": 8}), MNIST)
    return family, Ema(family.generator, 500)


def plan(path: Path, steps: int, **changes: object) -> loop.Plan:
    base = loop.Plan(
        title="t",
        seed=7,
        budget=Limits(steps=steps, seconds=600),
        checkpoints=Checkpoints(path, {"a": 1}),
        log_every=5,
        grids=2,
        check_share=math.inf,  # whether a check is made must not depend on how busy the machine is
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def hooks(family: Family, stop_at: int | None = None) -> loop.Hooks:
    """Checks that draw from the moving average and score it by what it drew, and a stop after some steps."""
    asked = iter(range(10**6))
    noise = torch.randn(4, family.noise_dim, generator=torch.Generator().manual_seed(1))
    given = [torch.from_numpy(draw(family.condition, MNIST, np.random.default_rng(1), 4))] if family.condition else []

    def check(model: torch.nn.Module, step: int, best: float) -> loop.Verdict:
        torch.rand(3)  # whatever a check draws must not matter
        with torch.no_grad():
            return loop.Verdict(model(noise, *given).square().mean().item())

    return loop.Hooks(check=check, stop=lambda: stop_at is not None and next(asked) >= stop_at)


@pytest.mark.parametrize("name", EVERY)
def test_a_stopped_and_resumed_run_ends_with_the_same_bits_as_an_unbroken_one(name: str, tmp_path: Path) -> None:
    whole, whole_ema = start(name)
    unbroken = loop.fit(whole, whole_ema, data(), plan(tmp_path / "whole.pt", 24, checks=4), hooks(whole))
    assert unbroken.best_step > 0

    first, first_ema = start(name)
    outcome = loop.fit(first, first_ema, data(), plan(tmp_path / "c.pt", 24, checks=4), hooks(first, stop_at=11))
    assert outcome.stopped
    assert outcome.steps == 11
    torch.manual_seed(999)  # another process has another random state and other initial weights
    other = families.build(name, first.options, MNIST)
    other_ema = Ema(other.generator, 500)
    resumed = loop.fit(other, other_ema, data(), plan(tmp_path / "c.pt", 24, checks=4), hooks(other), resume=True)
    assert resumed.best_step == unbroken.best_step

    for key, value in whole.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    for key, value in whole_ema.module.state_dict().items():
        assert torch.equal(value, other_ema.module.state_dict()[key]), key


def test_resume_with_another_configuration_is_refused_with_the_difference(tmp_path: Path) -> None:
    family, ema = start("vae")
    loop.fit(family, ema, data(), plan(tmp_path / "c.pt", 2), loop.Hooks())
    with pytest.raises(BadInput, match="a: 1 then, 2 now"):
        loop.fit(
            family,
            ema,
            data(),
            plan(tmp_path, 4, checkpoints=Checkpoints(tmp_path / "c.pt", {"a": 2})),
            loop.Hooks(),
            resume=True,
        )


def test_a_gradient_or_weight_that_is_not_finite_stops_the_run_and_is_not_saved(tmp_path: Path) -> None:
    family, ema = start("dcgan")
    path = tmp_path / "c.pt"
    loop.fit(family, ema, data(), plan(path, 4), loop.Hooks())
    before = path.read_bytes()
    with torch.no_grad():
        next(family.generator.parameters()).fill_(float("nan"))
    with pytest.raises(Unhealthy, match=r"generator_loss.* is not finite at step 5"):
        loop.fit(family, ema, data(), plan(path, 8, checkpoint_seconds=1e-9), loop.Hooks())
    assert path.read_bytes() == before


def test_a_weight_that_breaks_in_the_last_step_is_not_saved(tmp_path: Path) -> None:
    family, ema = start("vae")
    optimizer = family.optimizers["autoencoder"]

    def break_one(*_: object) -> None:
        with torch.no_grad():
            next(family.generator.parameters()).view(-1)[0] = float("inf")

    optimizer.register_step_post_hook(break_one)
    with pytest.raises(Unhealthy, match=r"encoder.* is not finite at step 1"):
        loop.fit(family, ema, data(), plan(tmp_path / "c.pt", 1), loop.Hooks())
    assert not list(tmp_path.iterdir())


def tampered(family: Family, player: str, begins: int, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """From step ``begins`` on, the loss of one phase is what ``change`` makes of it."""
    clean = family.phases

    def phases(step: int) -> Sequence[Phase]:
        if step < begins:
            return clean(step)

        def changed(phase: Phase) -> Phase:
            def loss(batch: TrainingBatch, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
                value, losses = phase.loss(batch, step)
                value = change(value)
                return value, {**losses, f"{phase.name}_loss": value.detach()}

            return replace(phase, loss=loss) if phase.name == player else phase

        return [changed(phase) for phase in clean(step)]

    family.phases = phases  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("player", "change", "problem"),
    [
        ("generator", lambda loss: loss * 1e7, r"exploding gradients: gradient_norm_generator.* at step 26"),
        ("discriminator", lambda loss: loss * 1e7, r"exploding gradients: gradient_norm_discriminator.* at step 26"),
        ("discriminator", lambda loss: loss * 0 + 1.3863, r"discriminator collapse: its loss is pinned at 1\.386 at"),
        ("generator", lambda loss: loss * float("inf"), r"generator_loss.*is not finite at step 26"),
    ],
    ids=["generator explodes", "discriminator explodes", "discriminator collapses", "not finite"],
)
def test_what_breaks_is_named_at_the_next_reading_and_nothing_from_after_it_is_saved(
    player: str, change: Callable[[torch.Tensor], torch.Tensor], problem: str, tmp_path: Path
) -> None:
    family, ema = start("dcgan")
    tampered(family, player, 25, change)
    chosen = plan(tmp_path / "c.pt", 60, log_every=1, checks=3)
    with pytest.raises(Unhealthy, match=problem):
        loop.fit(family, ema, data(), chosen, hooks(family))
    assert chosen.checkpoints.restore(*start("dcgan")).step == 20


def scores(values: list[float], problem_at: int | None = None) -> tuple[list[int], loop.Hooks]:
    """Hooks whose checks give these scores in turn, and the steps they were asked at."""
    asked: list[int] = []

    def check(model: torch.nn.Module, step: int, best: float) -> loop.Verdict:
        asked.append(step)
        return loop.Verdict(values[len(asked) - 1], "mode collapse" if step == problem_at else None)

    return asked, loop.Hooks(check=check)


def test_the_best_checkpoint_is_the_one_with_the_lowest_score(tmp_path: Path) -> None:
    family, ema = start("vae")
    asked, hooks = scores([3.0, 1.0, 2.0, 1.0])
    chosen = plan(tmp_path / "c.pt", 12, checks=4)
    outcome = loop.fit(family, ema, data(), chosen, hooks)
    assert asked == [3, 6, 9, 12]
    assert outcome.best_step == 6
    last = [value.clone() for value in ema.module.state_dict().values()]
    assert chosen.checkpoints.restore_best(family, ema).step == 6
    assert not all(map(torch.equal, last, ema.module.state_dict().values()))
    assert chosen.checkpoints.restore(family, ema).step == 12
    assert all(map(torch.equal, last, ema.module.state_dict().values()))


def test_patience_ends_a_run_that_gets_no_better(tmp_path: Path) -> None:
    family, ema = start("vae")
    asked, hooks = scores([3.0, 1.0, 2.0, 1.5, 0.5])
    outcome = loop.fit(family, ema, data(), plan(tmp_path / "c.pt", 15, checks=5, patience=2), hooks)
    assert asked == [3, 6, 9, 12]
    assert (outcome.steps, outcome.best_step, outcome.stopped) == (12, 6, False)


def test_a_run_without_comparable_checks_has_no_best_step(tmp_path: Path) -> None:
    family, ema = start("vae")
    outcome = loop.fit(family, ema, data(), plan(tmp_path / "c.pt", 4, checks=2), loop.Hooks())
    assert outcome.best_step == 0


def test_a_problem_found_by_a_check_ends_the_run_and_its_state_is_not_kept(tmp_path: Path) -> None:
    family, ema = start("vae")
    _, hooks = scores([3.0, 2.0, 1.0], problem_at=8)
    chosen = plan(tmp_path / "c.pt", 12, checks=3)
    with pytest.raises(Unhealthy, match="mode collapse at step 8"):
        loop.fit(family, ema, data(), chosen, hooks)
    assert chosen.checkpoints.restore(family, ema).step == 4


def test_checks_that_take_long_are_fewer_but_the_last_one_is_always_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, ema = start("vae")
    asked: list[int] = []
    now = [0.0]

    def tick() -> float:
        now[0] += 0.01
        return now[0]

    def check(model: torch.nn.Module, step: int, best: float) -> loop.Verdict:
        asked.append(step)
        now[0] += 100
        return loop.Verdict(1.0)

    set_clock(monkeypatch, loop, monotonic=tick)
    chosen = plan(tmp_path / "c.pt", 10, checks=10, check_share=0.05)
    outcome = loop.fit(family, ema, data(), chosen, loop.Hooks(check=check))
    assert asked == [1, 10]
    assert outcome.seconds < 10  # checks are not training


def test_the_budget_in_seconds_ends_a_run_of_any_number_of_steps(tmp_path: Path) -> None:
    family, ema = start("vae")
    outcome = loop.fit(
        family, ema, data(), plan(tmp_path / "c.pt", 1, budget=Limits(steps=10**9, seconds=0.5)), loop.Hooks()
    )
    assert not outcome.stopped
    assert outcome.seconds >= 0.5
    assert outcome.steps < 10**9


def test_losses_are_logged_as_means_and_grids_as_often_as_asked(tmp_path: Path) -> None:
    logged: list[tuple[dict[str, float], int]] = []
    grids: list[int] = []
    family, ema = start("dcgan")
    hooks = loop.Hooks(log=lambda m, s: logged.append((m, s)), grid=lambda images, step: grids.append(step))
    loop.fit(family, ema, data(), plan(tmp_path / "c.pt", 12), hooks)
    assert [step for _, step in logged] == [5, 10, 12]
    assert {"discriminator_loss", "generator_loss", "logit_real", "logit_fake", "images_per_second"} <= set(
        logged[0][0]
    )
    assert grids == [6, 12]


def test_the_moving_average_reaches_half_way_in_its_half_life() -> None:
    source = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        source.weight.fill_(0.0)
    ema = Ema(source, half_life=100)
    with torch.no_grad():
        source.weight.fill_(1.0)
    for _ in range(10):
        ema.update(source, batch=10, images_seen=10**6)
    assert ema.module.weight.item() == pytest.approx(0.5, abs=1e-5)


def test_the_moving_average_forgets_its_random_start_early() -> None:
    source = torch.nn.Linear(1, 1, bias=False)
    ema = Ema(source, half_life=10**9)
    with torch.no_grad():
        source.weight.fill_(1.0)
    for step in range(1, 51):
        ema.update(source, batch=10, images_seen=10 * step)
    assert ema.module.weight.item() == pytest.approx(1.0, abs=0.02)


def test_an_epoch_shows_every_image_at_most_once_and_the_next_in_another_order() -> None:
    images = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 28, 28), np.uint8)
    batches = DeviceBatches(images, np.zeros(100, np.int64), 20, 1, CPU)
    epochs = [torch.cat([batches.at(step)[0][:, 0, 0, 0] for step in range(e * 5, e * 5 + 5)]) for e in (0, 1)]
    assert all(len(set(epoch.tolist())) == 100 for epoch in epochs)
    assert not torch.equal(*epochs)
    assert torch.equal(batches.at(2)[0][:, 0, 0, 0], epochs[0][40:60])  # random access, in any order


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(BadInput, match="larger than the training split"):
        data(batch_size=101)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device: run it with CUDA_VISIBLE_DEVICES=")
def test_cuda_without_a_card_is_refused() -> None:
    with pytest.raises(BadInput, match="no CUDA device"):
        prepare("cuda", 0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device: run it with CUDA_VISIBLE_DEVICES=")
def test_the_cpu_is_taken_for_a_missing_card_where_that_is_allowed() -> None:
    assert prepare("cuda", 1, allow_cpu=True) == CPU
    assert prepare("cuda:1", 1, allow_cpu=True) == CPU
    assert prepare("auto", 1) == CPU


def test_a_step_that_does_not_fit_into_memory_is_told_and_the_checkpoint_is_kept(tmp_path: Path) -> None:
    family, ema = start("vae")
    path = tmp_path / "c.pt"
    loop.fit(family, ema, data(), plan(path, 4), loop.Hooks())
    before = path.read_bytes()
    clean = family.generator.encoder.forward
    family.generator.encoder.forward = lambda images: clean(images) + torch.empty(2**55)  # the allocator's own words
    with pytest.raises(OutOfMemory, match=r"out of memory in step 5 with batches of 16 .*vae\.batch_size=8") as caught:
        loop.fit(family, ema, data(), plan(path, 8, checkpoint_seconds=1e-9), loop.Hooks(), resume=True)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
