"""The engine's time a step against a bare hand-written loop of the same nets, batch and precision."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ganlib import families
from ganlib.config import Limits
from ganlib.data.batches import DeviceBatches
from ganlib.objectives import losses, penalties
from ganlib.training import loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.ema import Ema

STEPS, ROUNDS = 100, 5


def run() -> Iterator[tuple[str, list[float]]]:
    """Ratio of seconds a step; 1.05 is the limit that issue 4 sets."""
    ratios = []
    for _ in range(ROUNDS):
        bare, engine = _bare(), _engine()
        ratios.append(engine / bare)
    yield "dcgan step: engine with EMA, batches, losses read / bare loop without", ratios


def _family() -> families.Family:
    torch.manual_seed(0)
    return families.load("dcgan")(families.options("dcgan", {})).to(memory_format=torch.channels_last)


def _images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4096, 28, 28), dtype=np.uint8)


def _engine() -> float:
    family = _family()
    batches = DeviceBatches(_images(), np.zeros(4096, np.uint8), family.options.batch_size, 0, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        plan = loop.Plan(
            "bench", 0, Limits(steps=STEPS, seconds=3600), Checkpoints(Path(folder) / "c.pt", {}), log_every=50
        )
        return loop.fit(family, Ema(family.generator, 5000), batches, plan, loop.Hooks()).seconds / STEPS


def _bare() -> float:
    family = _family()
    generator, critic = family.generator, family.discriminator
    first, second = family.optimizers["generator"], family.optimizers["discriminator"]
    options, size = family.options, family.options.batch_size
    images = torch.from_numpy(_images()).unsqueeze(1)
    start = time.monotonic()
    for step in range(STEPS):
        real = images[torch.randint(0, len(images), (size,))].float().div_(127.5).sub_(1)
        penalised = step % options.penalty_every == 0
        real.requires_grad_(penalised)
        fake = generator(torch.randn(size, options.latent_dim))
        second.zero_grad()
        logits = critic(real)
        loss = losses.bce_discriminator(logits, critic(fake.detach()))
        if penalised:
            loss = loss + options.r1_gamma * options.penalty_every * penalties.zero_centred(logits, real)
        loss.backward()
        second.step()
        first.zero_grad()
        for parameter in critic.parameters():
            parameter.requires_grad_(False)
        losses.bce_generator(critic(fake)).backward()
        for parameter in critic.parameters():
            parameter.requires_grad_(True)
        first.step()
    return (time.monotonic() - start) / STEPS
