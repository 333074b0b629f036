"""Every family on images of other sides, channels and classes than MNIST's."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganlib import families
from ganlib.config import Limits
from ganlib.core.errors import BadInput
from ganlib.data.batches import DeviceBatches
from ganlib.data.conditions import encode, pool
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec, ImageShape
from ganlib.families.parts.base import Family, TrainingBatch
from ganlib.training import loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.ema import Ema

EVERY = families.names()


def spec(channels: int, side: int, classes: int = 0, captions: Any = None) -> DatasetSpec:
    shape = ImageShape(channels=channels, height=side, width=side)  # type: ignore[arg-type]
    names = tuple(f"class {number}" for number in range(classes))
    return DatasetSpec(name="things", image=shape, class_names=names, captions=captions)


SPECS = (
    spec(3, 32, 3), spec(1, 28, 12, "table"), spec(3, 64, captions="table"), spec(1, 16), spec(3, 128, 100),
)  # fmt: skip
CASES = [
    pytest.param(name, data, id=f"{name}-{data.image}-{data.num_classes}")
    for name, data in itertools.product(EVERY, SPECS)
    if families.unfit(name, data) is None
]


def build(name: str, data: DatasetSpec, **row: object) -> Family:
    torch.manual_seed(0)
    known = families.load(name).Options.model_fields
    tiny = {"channels": 8 if name == "sagan" else 2, "batch_size": 8, "latent_dim": 4, "components": 2, "width": 8}
    options = {key: value for key, value in {**tiny, "layers": 1, "heads": 2, **row}.items() if key in known}
    family = families.build(name, families.options(name, options), data)
    family.captions, family.shares = pool(_captions(4)) if data.captions == "table" else ((), ())
    return family


def _captions(count: int) -> np.ndarray:
    return np.stack([encode(f"number {place % 3}") for place in range(count)]).astype(np.uint8)


def batches(data: DatasetSpec, count: int = 24) -> DeviceBatches:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (count, *data.image.dims), dtype=np.uint8)
    labels = draw.integers(0, max(1, data.num_classes), count)
    captions = _captions(count) if data.captions == "table" else None
    return DeviceBatches(images, labels, 8, 7, torch.device("cpu"), captions=captions)


def train(family: Family, path: Path, steps: int, *, resume: bool = False) -> Ema:
    ema = Ema(family.generator, 100)
    plan = loop.Plan("t", 7, Limits(steps=10, seconds=600), Checkpoints(path, {}), log_every=5)
    stop = iter(range(steps))
    hooks = loop.Hooks(stop=lambda: next(stop, None) is None)
    loop.fit(family, ema, batches(family.spec), plan, hooks, resume=resume)
    return ema


@pytest.mark.parametrize(("name", "data"), CASES)
def test_a_family_trains_on_what_it_fits_and_draws_such_images(name: str, data: DatasetSpec, tmp_path: Path) -> None:
    family = build(name, data)
    ema = train(family, tmp_path / "c.pt", 10)
    assert all(torch.isfinite(value).all() for value in family.state_dict().values())
    with torch.no_grad():
        images = ema.module.eval()(*family.inputs(3, 0))
    assert images.shape == (3, *data.image.dims)
    assert images.abs().max() <= 1
    assert torch.isfinite(images).all()
    with torch.no_grad():  # as it trains: after ten steps the average's statistics hide what the noise changes
        first, second, _ = family.train().generator(*family.inputs(3, 0))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", EVERY)
def test_what_follows_the_training_is_of_the_images_shape_too(name: str) -> None:
    data = spec(3, 32, 3, "table")
    family = build(name, data).eval()
    model, draw = family.generator, np.random.default_rng(0)
    images = torch.from_numpy(draw.random((12, *data.image.dims), np.float32) * 2 - 1)
    labels, captions = torch.arange(12) % 3, torch.from_numpy(_captions(12))
    with torch.no_grad():
        family.finish(model, draw.integers(0, 256, (24, *data.image.dims), dtype=np.uint8))
        figures = family.held_out(model, TrainingBatch(images, labels, captions=captions))
        made = family.reconstruct(model, images, labels)
        pictures = family.pictures(model)
    assert all(np.isfinite(value) for value in figures.values())
    assert made is None or made.shape == images.shape
    assert all(rows.shape[2:] == data.image.dims for rows in pictures.values())


@pytest.mark.parametrize("name", [name for name in EVERY if families.unfit(name, SPECS[0]) is None])
def test_a_resumed_run_on_coloured_images_is_the_same_to_the_bit(name: str, tmp_path: Path) -> None:
    whole = build(name, SPECS[0], flip=True, diffaugment_colour=True)
    train(whole, tmp_path / "whole.pt", 10)
    half = build(name, SPECS[0], flip=True, diffaugment_colour=True)
    train(half, tmp_path / "half.pt", 6)
    again = build(name, SPECS[0], flip=True, diffaugment_colour=True)
    train(again, tmp_path / "half.pt", 10, resume=True)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in whole.state_dict().items())


@pytest.mark.parametrize("name", ["cgan", "cvae"])
def test_the_label_decides_what_is_drawn_of_three_classes_and_of_a_thousand(name: str) -> None:
    for classes in (3, 1000):
        net = build(name, spec(1, 16, classes)).generator
        noise = torch.randn(1, 4).expand(2, -1)
        with torch.no_grad():
            first, last = net(noise, torch.tensor([0, classes - 1]))
        assert not torch.equal(first, last)
        assert sum(weight.numel() for weight in net.parameters()) < 500_000


def test_a_family_that_needs_what_the_data_lack_is_refused_with_those_that_do_not() -> None:
    bare = spec(1, 16)
    with pytest.raises(
        BadInput, match=r"^cgan does not fit things: it is told labels, and things has none\. These do: "
    ):
        build("cgan", bare)
    with pytest.raises(BadInput, match=r"^tcgan does not fit things: it is told captions, and things has none"):
        build("tcgan", bare)
    assert set(EVERY) - set(families.able(bare)) == {"cgan", "cvae", "tcgan"}
    assert families.able(MNIST) == tuple(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_a_side_between_those_that_can_be_drawn_is_refused_with_the_nearest_two(name: str) -> None:
    between = spec(3, 50, 3, "table")
    with pytest.raises(BadInput, match=r"no images of 50 x 50 pixels; the nearest sides are 32 and 64\."):
        build(name, between)


def test_an_option_in_pixels_is_held_against_the_side() -> None:
    with pytest.raises(BadInput, match=r"^families\.dcgan\.shift must be at most 8, half the side of a 1x16x16 image"):
        build("dcgan", spec(1, 16), shift=9.0)
    with pytest.raises(BadInput, match=r"^families\.dcgan\.diffaugment_cut must be at most 16 for a 1x16x16 image"):
        build("dcgan", spec(1, 16), diffaugment_cut=17)
