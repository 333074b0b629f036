"""The engine's time a step against a bare hand-written loop, and against the usual way of writing one.

All three train the same nets from the same start with the same batch, precision and learning rates. The engine does
all that a run does: moving average, losses read and logged to MLflow, sample grids, a checkpoint at the end. The bare
loop does nothing but train. The usual way is what tutorials show: PIL transforms an image at a time behind a
DataLoader, a second generator pass for the generator's turn, losses read by ``.item()`` in every step, the default
memory format, and optimisers that are not fused.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.rounds import Figure, show
from ganlib import families
from ganlib.config import Limits
from ganlib.data.batches import DeviceBatches
from ganlib.families.adversarial import discriminate
from ganlib.jobs.finish import sheet
from ganlib.project import Project, Source
from ganlib.tracking.store import connect
from ganlib.training import device, loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.ema import Ema
from tests.factories import data_version

NAMES = ("dcgan", "wgan_gp")
STEPS, ROUNDS = int(os.environ.get("GANLIB_BENCH_STEPS", "100")), int(os.environ.get("GANLIB_BENCH_ROUNDS", "5"))
CUDA = torch.cuda.is_available()
WARM = 200 if CUDA else 0
"""Steps before the clock starts: a GPU's kernels are chosen and its graphs recorded in the first ones."""
BATCH = 128 if CUDA else None
"""None: each family's own."""
LIMITS = {"bare": 1.05, "usual": 10 if CUDA else 1.5}
"""At most so many times the bare loop's seconds, at least so many times the usual way's images a second."""


def main(words: Sequence[str]) -> int:
    """Print the ratios; ``words`` are none. 1 if a limit is missed."""
    return show(run())


def run() -> Iterator[Figure]:
    """Ratios, a family after the other; the three ways take turns."""
    device.prepare("auto", 0)
    for name in NAMES:
        bare_ratio, usual_ratio = [], []
        for _ in range(ROUNDS):
            bare, engine, usual = _bare(name), _engine(name), _usual(name)
            bare_ratio.append(engine / bare)
            usual_ratio.append(usual / engine)
        yield Figure(
            f"{name} seconds a step: engine with all it does / bare loop (at most {LIMITS['bare']})",
            bare_ratio,
            statistics.median(bare_ratio) <= LIMITS["bare"],
        )
        yield Figure(
            f"{name} images a second: engine / the usual way (at least {LIMITS['usual']})",
            usual_ratio,
            statistics.median(usual_ratio) >= LIMITS["usual"],
        )


def _device() -> torch.device:
    return torch.device("cuda" if CUDA else "cpu")


def _family(name: str) -> families.Family:
    torch.manual_seed(0)
    size = {"batch_size": BATCH} if BATCH else {}
    return families.load(name)(families.options(name, size)).to(_device())


def _images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4096, 28, 28), dtype=np.uint8)


class _Clock:
    """Seconds a step of those after ``WARM``, with what a GPU has still to do when the calls have returned."""

    def __init__(self) -> None:
        self._start = _now()

    def at(self, step: int) -> None:
        """Called after each step, or now and then."""
        if step == WARM:
            self._start = _now()

    def read(self) -> float:
        """After ``WARM + STEPS`` steps."""
        return (_now() - self._start) / STEPS


def _now() -> float:
    if CUDA:
        torch.cuda.synchronize()
    return time.monotonic()


def _engine(name: str) -> float:
    family = _family(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    size = family.options.batch_size
    batches = DeviceBatches(_images(), np.zeros(4096, np.uint8), size, 0, _device())
    with tempfile.TemporaryDirectory() as folder:
        store = connect(Project(Path(folder)))
        with store.start_run(
            "bench", family=name, params={}, tags={}, data=data_version(), source=Source(None, dirty=False),
            experiment="bench",
        ) as logged:  # fmt: skip
            plan = loop.Plan(
                "bench", 0, Limits(steps=WARM + STEPS, seconds=3600), Checkpoints(Path(folder) / "c.pt", {}), grids=2,
                log_every=25, checkpoint_seconds=60,
            )  # fmt: skip

            def log(metrics: dict[str, float], step: int) -> None:
                logged.log(metrics, step)
                clock.at(step)

            hooks = loop.Hooks(
                log=log,
                grid=lambda images, step: logged.image(sheet(images.reshape(8, 8, 28, 28)), f"{step}.png"),
            )
            ema = Ema(family.generator, 5000)
            clock = _Clock()
            loop.fit(family, ema, batches, plan, hooks)
            return clock.read()


def _turns(family: families.Family, real: Tensor, step: int, *, again: bool) -> tuple[Tensor, Tensor | None]:
    """Both players' turns, written out; ``again``: the generator makes its fakes a second time."""
    options, generator, critic = family.options, family.generator, family.discriminator
    first, second = family.optimizers["generator"], family.optimizers["discriminator"]
    turn = (step + 1) % options.n_critic == 0

    def draw() -> Tensor:
        return generator(torch.randn(len(real), options.latent_dim, device=real.device))

    with torch.set_grad_enabled(turn and not again):
        fake = draw()
    second.zero_grad()
    loss, _ = discriminate(
        critic, family.loss, real, fake.detach(), step=step,
        every=options.penalty_every, r1=options.r1_gamma, r2=options.r2_gamma, gp=options.gp_lambda,
    )  # fmt: skip
    loss.backward()
    second.step()
    if not turn:
        return loss, None
    first.zero_grad()
    for parameter in critic.parameters():
        parameter.requires_grad_(False)
    logits = critic(draw() if again else fake)
    other = family.loss.generator(logits, logits)
    other.backward()
    for parameter in critic.parameters():
        parameter.requires_grad_(True)
    first.step()
    return loss, other


def _bare(name: str) -> float:
    family = _family(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.from_numpy(_images()).unsqueeze(1).to(_device())

    clock = _Clock()
    for step in range(WARM + STEPS):
        clock.at(step)
        chosen = torch.randint(0, len(images), (family.options.batch_size,), device=images.device)
        _turns(family, images[chosen].float().div_(127.5).sub_(1), step, again=False)
    return clock.read()


class _Pictures(Dataset[Tensor]):
    """An image at a time: to PIL, to float, normalised."""

    def __init__(self, images: np.ndarray) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor:
        picture = Image.fromarray(self._images[index])
        values = torch.from_numpy(np.array(picture, np.uint8, copy=True)).unsqueeze(0)
        return values.float().div(255).sub(0.5).div(0.5)


def _usual(name: str) -> float:
    family = _family(name)
    for player, optimizer in family.optimizers.items():
        group = optimizer.param_groups[0]
        family.optimizers[player] = torch.optim.Adam(group["params"], group["lr"], group["betas"], foreach=False)
    loader = DataLoader(_Pictures(_images()), family.options.batch_size, shuffle=True, drop_last=True)

    clock, done = _Clock(), 0
    while True:
        for real in loader:
            clock.at(done)
            for value in _turns(family, real.to(_device()), done, again=True):
                if value is not None:
                    value.item()
            done += 1
            if done == WARM + STEPS:
                return clock.read()
