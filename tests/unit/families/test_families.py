"""Every family: listed, composed, and playing by the rules of the loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganlib import families
from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.data.batches import DeviceBatches, scaled
from ganlib.data.conditions import draw
from ganlib.data.mnist.dataset import MNIST
from ganlib.families.parts.adversarial import Adversarial
from ganlib.families.parts.base import Family, TrainingBatch
from ganlib.training.distributed import ALONE
from ganlib.training.step import Step
from tests.conftest import ROOT

CPU = torch.device("cpu")
EVERY = families.names()


def build(name: str, **row: object) -> Family:
    torch.manual_seed(0)
    return families.build(name, families.options(name, {"channels": 8, "batch_size": 16, **row}), MNIST)


def batch(size: int = 16) -> TrainingBatch:
    return TrainingBatch(torch.rand(size, 1, 28, 28) * 2 - 1, torch.arange(size) % 10, torch.rand(size, 3))


def test_the_zoo_has_the_two_families_of_the_demo() -> None:
    assert {"dcgan", "vae"} <= set(EVERY)


def test_every_family_has_a_row_in_params_and_every_row_a_family() -> None:
    assert sorted(load(ROOT / "params.yaml").families) == EVERY


def test_an_unknown_family_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BadInput, match="Did you mean 'dcgan'"):
        families.require("dcgna")


def test_an_unknown_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BadInput, match="Did you mean 'channels'"):
        families.options("dcgan", {"chanels": 3})


def test_an_unknown_optimiser_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(BadInput, match=r"generator\.name must be adam, adamw, rmsprop or sgd, and is 'lion'"):
        families.options("dcgan", {"generator": {"name": "lion"}})


@pytest.mark.parametrize("name", EVERY)
def test_the_generator_maps_noise_to_images_in_range(name: str) -> None:
    family = build(name)
    given = [torch.from_numpy(draw(family.condition, MNIST, np.random.default_rng(0), 5))] if family.condition else []
    images = family.generator(torch.randn(5, family.noise_dim), *given)
    assert images.shape == (5, 1, 28, 28)
    assert images.min() >= -1
    assert images.max() <= 1


@pytest.mark.parametrize("name", EVERY)
def test_each_phase_changes_its_player_and_no_other(name: str) -> None:
    family = build(name)
    take = Step(family, DeviceBatches(np.zeros((16, 1, 28, 28), np.uint8), np.zeros(16, np.int64), 16, 0, CPU), ALONE)
    for step, phase in enumerate(family.phases(0)):
        before = {key: value.clone() for key, value in family.named_parameters()}
        take.turn(phase, batch(), step)
        mine = {id(parameter) for parameter in phase.player.parameters()}
        for key, value in family.named_parameters():
            if id(value) not in mine:
                assert torch.equal(before[key], value), f"{phase.name} moved {key}"
        assert any(not torch.equal(before[k], v) for k, v in family.named_parameters() if id(v) in mine)


@pytest.mark.parametrize("name", EVERY)
def test_every_parameter_belongs_to_exactly_one_optimiser(name: str) -> None:
    family = build(name)
    held = [id(p) for o in family.optimizers.values() for group in o.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in family.parameters())


def test_the_discriminators_phase_leaves_no_gradient_in_the_generator() -> None:
    family = build("dcgan")
    discriminate, _ = family.phases(0)
    loss, _ = discriminate.loss(batch(), 0)
    loss.backward()
    assert all(parameter.grad is None for parameter in family.generator.parameters())


@pytest.mark.parametrize("name", ["cgan", "dcgan", "lsgan", "tcgan", "wgan_gp"])
def test_real_and_generated_images_judged_in_one_pass_lose_what_they_lose_in_two(name: str) -> None:
    family = build(name)
    assert isinstance(family, Adversarial)
    assert family.separable(16)
    shown, own, step = batch(), family.separable, 1  # no penalty in step 1
    found = []
    for separable in (own, lambda size: False):
        family.separable = separable
        torch.manual_seed(5)
        calls = []
        hook = family.discriminator.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        (turn,) = (phase for phase in family.phases(step) if phase.name == "discriminator")
        value, _ = turn.loss(shown, step)
        hook.remove()
        found.append((len(calls), value, torch.autograd.grad(value, list(family.discriminator.parameters()))))
    (one, together, mine), (two, apart, theirs) = found
    assert (one, two) == (1, 2)
    assert together.item() == pytest.approx(apart.item(), rel=1e-5)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


def test_images_that_a_discriminator_ties_together_are_judged_apart() -> None:
    for name, row, size in (("wgan", {}, 16), ("dcgan", {}, 12), ("sagan", {}, 16)):
        family = build(name, **row)  # BatchNorm; a group of eight with both kinds; spectral norm
        assert isinstance(family, Adversarial)
        assert not family.separable(size)


def test_minibatch_deviation_is_zero_for_equal_samples_and_known_for_two() -> None:
    from ganlib.nets.conv import minibatch_deviation

    assert minibatch_deviation(torch.ones(8, 5), 4).max() < 1e-3
    got = minibatch_deviation(torch.tensor([[0.0, 0.0], [2.0, 4.0]]), 8)  # deviations 1 and 2
    assert got.flatten().tolist() == pytest.approx([1.5, 1.5], rel=1e-4)


@pytest.mark.parametrize("name", ["dcgan", "gan", "pggan", "sagan", "vgan", "vqgan"])
def test_a_discriminator_of_any_kind_takes_all_penalties_at_once(name: str) -> None:
    family = build(name, r1_gamma=0.1, r2_gamma=0.1, gp_lambda=1.0, penalty_every=1)
    family.horizon = 100
    (phase,) = (phase for phase in family.phases(0) if phase.name == "discriminator")
    step = Step(family, DeviceBatches(*np.zeros((2, 16), np.uint8), 16, 0, CPU), ALONE)
    losses = step.turn(phase, batch(), 0)
    assert {"r1", "r2", "gradient_penalty"} <= losses.keys()
    assert all(torch.isfinite(value) for value in losses.values())


@pytest.mark.parametrize("name", EVERY)
def test_a_family_with_other_defaults_keeps_the_limits_of_its_options(name: str) -> None:
    fields = families.load(name).Options.model_fields
    assert all(field.metadata for field in fields.values() if field.annotation in (int, float))
    with pytest.raises(BadInput, match=r"batch_size must be above 0, and is 0"):
        families.options(name, {"batch_size": 0})


@torch.no_grad()
def test_the_mixture_of_an_autoencoder_knows_images_from_all_places_of_a_split() -> None:
    """Splits of people's folders are in the order of their classes: by the first images it knew four of ten."""
    family = build("ae", channels=2, latent_dim=2, components=2)
    model = family.generator
    images = np.random.default_rng(0).integers(0, 60, (44_000, 1, 28, 28), np.uint8)
    images[22_000:] += 190
    family.finish(model, images)
    dark, bright = (model.encoder(scaled(torch.from_numpy(some))).mean(0) for some in (images[:99], images[-99:]))
    codes = model.bottleneck(torch.randn(1000, 3))
    nearer = (codes - bright).norm(dim=1) < (codes - dark).norm(dim=1)
    assert 0.4 < nearer.float().mean() < 0.6
