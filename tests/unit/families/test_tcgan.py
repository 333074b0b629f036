"""A generator that learnt what captions mean from pictures draws what it is asked for."""

from __future__ import annotations

import numpy as np
import torch

from ganlib import families
from ganlib.data.batches import DeviceBatches
from ganlib.data.conditions import encode, pool
from ganlib.data.spec import DatasetSpec, ImageShape
from ganlib.families.parts.base import Family, TrainingBatch
from ganlib.training.distributed import ALONE
from ganlib.training.ema import Ema
from ganlib.training.step import Step

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 230), "yellow": (230, 220, 40)}
SHAPES = ("square", "circle")
SIDE, STEPS, SIZE = 16, 200, 32
TOYS = DatasetSpec(name="toys", image=ImageShape(channels=3, height=SIDE, width=SIDE), captions="table")


def toys(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Squares and circles in four colours on black, with captions: uint8 [n, 3, 16, 16] and [n, 64]."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images, texts = np.zeros((count, 3, SIDE, SIDE), np.uint8), []
    for image in images:
        colour, shape = random.choice(list(COLOURS)), random.choice(SHAPES)
        (y, x), radius = random.integers(5, 11, 2), random.integers(3, 6)
        down, right = abs(rows - y), abs(columns - x)
        inside = np.maximum(down, right) < radius if shape == "square" else down**2 + right**2 <= radius**2
        image[:, inside] = np.array(COLOURS[colour])[:, None]
        texts.append(f"{random.choice(['', 'a '])}{colour} {shape}")
    return images, np.stack([encode(text) for text in texts]).astype(np.uint8)


def trained(images: np.ndarray, captions: np.ndarray) -> tuple[Family, Ema]:
    torch.manual_seed(0)
    family = families.build(
        "tcgan", families.options("tcgan", {"channels": 8, "batch_size": SIZE, "latent_dim": 16}), TOYS
    )
    (family.captions, family.shares), family.horizon = pool(captions), STEPS
    ema = Ema(family.generator, 1000)
    labels = np.zeros(len(images), np.int64)
    step = Step(family, DeviceBatches(images, labels, SIZE, 0, torch.device("cpu"), captions=captions), ALONE)
    family.train()
    for number in range(STEPS):
        step.seed(number)
        step(number)
        ema.update(family.generator, batch=SIZE, images_seen=SIZE * (number + 1))
    return family, ema


def colours_of(images: torch.Tensor) -> list[str]:
    """The colour that each image, float [n, 3, side, side] in [-1, 1], is nearest to in hue."""
    light = (images.clamp(-1, 1) + 1) / 2
    seen = torch.nn.functional.normalize((light * light.amax(dim=1, keepdim=True)).sum(dim=(2, 3)), dim=1)
    known = torch.nn.functional.normalize(torch.tensor(list(COLOURS.values())).float(), dim=1)
    return [list(COLOURS)[place] for place in (seen @ known.T).argmax(dim=1).tolist()]


def test_the_colour_that_a_caption_names_is_drawn() -> None:
    family, ema = trained(*toys(2000, 0))
    assert len(family.captions) == 16
    wishes = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES] * 4
    captions = torch.from_numpy(np.stack([encode(wish) for wish in wishes]))
    noise = torch.randn(len(wishes), family.noise_dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        drawn = colours_of(ema.module.eval()(noise, captions))
    right = np.mean([colour == wish.split()[0] for colour, wish in zip(drawn, wishes, strict=True)])
    assert right >= 0.75, f"{right:.0%} of the colours are those that were named; 25% by chance"

    images, texts = toys(200, 1)
    test = TrainingBatch(
        torch.from_numpy(images).float() / 127.5 - 1,
        torch.zeros(200, dtype=torch.int64),
        captions=torch.from_numpy(texts),
    )
    with torch.no_grad():
        figures = family.eval().held_out(ema.module, test)
    assert figures["real_matched"] > 2 * figures["matched_by_chance"]
