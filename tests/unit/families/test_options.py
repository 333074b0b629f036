"""Optimisers, learning rates of each player, n_critic and augmentation are options of every family that has players."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel

from ganlib import families
from ganlib.config import Limits
from ganlib.data.batches import DeviceBatches
from ganlib.data.mnist.dataset import MNIST
from ganlib.families.parts.base import Family, OptimizerOptions
from ganlib.training import loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.ema import Ema

EVERY = families.names()
OPTIMISERS = {
    "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD,
}  # fmt: skip


def known(name: str) -> Mapping[str, Any]:
    """The options of a family, with their defaults."""
    options: BaseModel = families.load(name).Options()
    return {key: getattr(options, key) for key in type(options).model_fields}


AGAINST_A_DISCRIMINATOR = [name for name in EVERY if "discriminator" in known(name)]


def build(name: str, **row: Any) -> Family:
    torch.manual_seed(0)
    row = {"channels": 8, "batch_size": 16, "latent_dim": 8, **row}
    return families.build(name, families.options(name, {key: row[key] for key in row if key in known(name)}), MNIST)


def trained(family: Family, path: Path, steps: int = 2) -> dict[str, torch.Tensor]:
    """Weights after some steps on random images."""
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 256, (64, 1, 28, 28), dtype=np.uint8), draw.integers(0, 10, 64)
    data = DeviceBatches(images, labels, 16, 7, torch.device("cpu"), ranks=draw.random((64, 3), np.float32))
    plan = loop.Plan("t", 7, Limits(steps=steps, seconds=600), Checkpoints(path / "c.pt", {}), grids=1)
    loop.fit(family, Ema(family.generator, 500), data, plan, loop.Hooks())
    return {key: value.clone() for key, value in family.state_dict().items()}


@pytest.mark.parametrize("kind", OPTIMISERS)
@pytest.mark.parametrize("name", EVERY)
def test_every_player_of_every_family_takes_every_optimiser_at_a_rate_of_its_own(
    name: str, kind: str, tmp_path: Path
) -> None:
    players = [key for key, value in known(name).items() if isinstance(value, OptimizerOptions)]
    assert players
    rates = {player: 1e-4 * (place + 1) for place, player in enumerate(players)}
    family = build(name, **{player: {"name": kind, "learning_rate": rate} for player, rate in rates.items()})
    for optimizer in family.optimizers.values():
        assert type(optimizer) is OPTIMISERS[kind]
    assert {group["lr"] for each in family.optimizers.values() for group in each.param_groups} == set(rates.values())
    before = {key: value.clone() for key, value in family.state_dict().items()}
    after = trained(family, tmp_path)
    assert all(torch.isfinite(value).all() for value in after.values())
    assert any(not torch.equal(before[key], value) for key, value in after.items())


@pytest.mark.parametrize("name", AGAINST_A_DISCRIMINATOR)
def test_whoever_plays_against_the_discriminator_waits_for_n_critic_of_its_steps(name: str) -> None:
    family = build(name, n_critic=3, first_stage=0.5)
    family.horizon = 24
    turns = Counter(phase.name for step in range(12) for phase in family.phases(step))
    assert turns["discriminator"] == 12
    assert turns["autoencoder" if name in {"vgan", "vqgan"} else "generator"] == 4
    variants = [family.variant(step) for step in range(12)]
    assert variants == [None] * 12 or len(set(variants)) > 1  # a GPU does not replay one for the other


@pytest.mark.parametrize("option", [{"shift": 2.0}, {"rotate": 20.0}, {"flip": True}], ids=["shift", "rotate", "flip"])
@pytest.mark.parametrize("name", EVERY)
def test_every_family_can_have_its_data_moved_turned_and_mirrored(
    name: str, option: dict[str, float], tmp_path: Path
) -> None:
    plain, changed = (trained(build(name, **row), tmp_path, steps=1) for row in ({}, option))
    assert any(not torch.equal(plain[key], value) for key, value in changed.items())


@pytest.mark.parametrize("option", ["diffaugment_shift", "diffaugment_cut", "diffaugment_colour"])
@pytest.mark.parametrize("name", AGAINST_A_DISCRIMINATOR)
def test_a_discriminator_can_be_shown_moved_cut_and_recoloured_images(name: str, option: str, tmp_path: Path) -> None:
    value = True if option == "diffaugment_colour" else 4
    plain, changed = (trained(build(name, **row), tmp_path, steps=1) for row in ({}, {option: value}))
    assert any(not torch.equal(plain[key], value) for key, value in changed.items())


@pytest.mark.parametrize("name", EVERY)
def test_the_moving_averages_half_life_is_an_option_of_every_family(name: str, tmp_path: Path) -> None:
    assert known(name)["ema_half_life"] > 0
    family = build(name, ema_half_life=64)
    assert family.options.ema_half_life == 64
