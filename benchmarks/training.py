"""The engine's time a step against a bare hand-written loop, and against the usual way of writing one.

All three train the same nets from the same start with the same batch, precision, penalties and learning rates, each
round in processes of their own. The engine does all that a run does: moving average, losses read and logged to MLflow,
a sample grid, a checkpoint. The bare loop does nothing but train, with all that makes the engine fast: its memory
format, its fused optimisers, its settings of the process. The usual way is what tutorials show, with torch as it comes:
a PIL image at a time through torchvision's ToTensor and Normalize behind a DataLoader; real and generated images judged
in two passes; a second generator pass for the generator's turn, which leaves gradients in the discriminator that nobody
uses; penalties by torch.autograd.grad as it is; losses read by ``.item()`` in every step; the default memory format;
optimisers that are not fused. Its OpenMP threads wait as the engine's do: by default they would be several times as
slow whenever the machine is busy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.rounds import Figure, at_least, at_most, show
from ganlib import families
from ganlib.config import ANONYMOUS, Limits
from ganlib.core.project import Project, SourceRevision
from ganlib.data.batches import DeviceBatches
from ganlib.data.spec import DatasetSpec, ImageShape
from ganlib.families.parts.adversarial import discriminate
from ganlib.generation.mark import packet_of_run
from ganlib.jobs.training.finish import sheet
from ganlib.nets import conv
from ganlib.objectives.double_backward import tangent
from ganlib.tracking import runs
from ganlib.tracking.store import connect
from ganlib.training import device, loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.ema import Ema
from tests.factories import data_version

NAMES = ("dcgan", "wgan_gp")
STEPS, ROUNDS = int(os.environ.get("GANLIB_BENCH_STEPS", "400")), int(os.environ.get("GANLIB_BENCH_ROUNDS", "5"))
CUDA = torch.cuda.is_available()
WARM = 200 if CUDA else 50
"""Steps before the clock starts, a multiple of ``_READ``: kernels are chosen, and on a GPU recorded, in the first."""
_READ = 50
"""Steps from one reading of the losses to the next, the default of `train.log_every`."""
BATCH = 128 if CUDA else None
"""None: each family's own."""
LIMITS = {"bare": 1.05, "usual": 10 if CUDA else 1.5}
"""At most so many times the bare loop's seconds, at least so many times the usual way's images a second."""


def main(words: Sequence[str]) -> int:
    """Print the ratios, for images of the shape that is the only word, such as 3x32x32, or else of MNIST's.

    With a way, a family and a shape, print that way's seconds a step. 1 if a limit is missed.
    """
    if len(words) < 2:
        return show(run(*words))
    way, name, shape = words
    print({"bare": _bare, "engine": _engine, "usual": _usual}[way](name, shape))
    return 0


def run(shape: str = "1x28x28") -> Iterator[Figure]:
    """Ratios, a family after the other; the ways take turns. The usual way is measured for grey images alone."""
    ways = ("bare", "engine", "usual") if shape.startswith("1x") else ("bare", "engine")
    for name in NAMES:
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, found in seconds.items():
                found.append(_process(way, name, shape))
        bare_ratio = [mine / peer for mine, peer in zip(seconds["engine"], seconds["bare"], strict=True)]
        for way, found in seconds.items():
            yield Figure(f"{name} {shape} milliseconds a step: {way}", [1000 * each for each in found])
        yield at_most(f"{name} {shape} seconds a step: engine with all it does / bare loop", bare_ratio, LIMITS["bare"])
        if "usual" in seconds:
            usual_ratio = [peer / mine for mine, peer in zip(seconds["engine"], seconds["usual"], strict=True)]
            yield at_least(f"{name} images a second: engine / the usual way", usual_ratio, LIMITS["usual"])


def _process(way: str, name: str, shape: str) -> float:
    """Seconds a step of ``way``, in a process of its own: what makes the engine fast is set for a whole process."""
    command = [sys.executable, "-m", "benchmarks", "training", way, name, shape]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _device() -> torch.device:
    return torch.device("cuda" if CUDA else "cpu")


def _spec(shape: str) -> DatasetSpec:
    channels, height, width = map(int, shape.split("x"))
    return DatasetSpec(name="bench", image=ImageShape(channels=channels, height=height, width=width))  # type: ignore[arg-type]


def _family(name: str, shape: str) -> families.Family:
    torch.manual_seed(0)
    size = {"batch_size": BATCH} if BATCH else {}
    return families.build(name, families.options(name, size), _spec(shape)).to(_device())


def _images(shape: str) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4096, *_spec(shape).image.dims), dtype=np.uint8)


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


def _engine(name: str, shape: str) -> float:
    device.prepare("auto", 0)
    family = _family(name, shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    size = family.options.batch_size
    batches = DeviceBatches(_images(shape), np.zeros(4096, np.int64), size, 0, _device())
    with tempfile.TemporaryDirectory() as folder:
        store = connect(Project(Path(folder)))
        with runs.start(store,
            "bench", family=name, params={}, tags={}, data=data_version(), source=SourceRevision(None, dirty=False),
            experiment="bench",
        ) as run:  # fmt: skip
            plan = loop.Plan(
                "bench", 0, Limits(steps=WARM + STEPS, seconds=3600), Checkpoints(Path(folder) / "c.pt", {}), grids=1,
                log_every=_READ,
            )  # fmt: skip

            def log(metrics: dict[str, float], step: int) -> None:
                run.log(metrics, step)
                clock.at(step)

            def grid(images: Tensor, step: int) -> None:
                packet = packet_of_run(ANONYMOUS, run.id, f"step-{step}")
                run.image(sheet(images.view(8, 8, *images.shape[1:]), packet), f"{step}.png")

            hooks = loop.Hooks(log=log, grid=grid)
            ema = Ema(family.generator, 5000)
            clock = _Clock()
            loop.fit(family, ema, batches, plan, hooks)
            return clock.read()


def _bare(name: str, shape: str) -> float:
    device.prepare("auto", 0)
    family = _family(name, shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    options, generator, critic = family.options, family.generator, family.discriminator
    first, second = family.optimizers["generator"], family.optimizers["discriminator"]
    images = torch.from_numpy(_images(shape)).to(_device())

    clock = _Clock()
    for step in range(WARM + STEPS):
        clock.at(step)
        chosen = torch.randint(0, len(images), (options.batch_size,), device=images.device)
        real = images[chosen].float().div_(127.5).sub_(1)
        turn = options.others_turn(step)
        with torch.set_grad_enabled(turn):
            fake = generator(_noise(family))
        second.zero_grad()
        loss, _ = discriminate(critic, family.loss, real, fake, options, step, separable=True)
        loss.backward(inputs=[*critic.parameters()])
        second.step()
        if turn:
            first.zero_grad()
            logits = critic(fake)
            family.loss.generator(logits, logits).backward(inputs=[*generator.parameters()])
            first.step()
    return clock.read()


def _noise(family: families.Family) -> Tensor:
    return torch.randn(family.options.batch_size, family.options.latent_dim, device=_device())


class _Pictures(Dataset[tuple[Tensor, int]]):
    """An image at a time, as torchvision's MNIST gives it: to PIL, then the steps of its ToTensor and its Normalize."""

    def __init__(self, images: np.ndarray) -> None:
        self._images, self._labels = torch.from_numpy(images), torch.zeros(len(images), dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        label = int(self._labels[index])
        picture = Image.fromarray(self._images[index].numpy())
        levels = torch.from_numpy(np.array(picture, np.uint8, copy=True)).view(*picture.size[::-1], 1)
        values = levels.permute(2, 0, 1).contiguous().to(torch.get_default_dtype()).div(255)
        mean, deviation = (torch.as_tensor([0.5], dtype=values.dtype) for _ in range(2))
        if (deviation == 0).any():
            raise ValueError
        return values.clone().sub_(mean.view(-1, 1, 1)).div_(deviation.view(-1, 1, 1)), label


def _usual(name: str, shape: str) -> float:
    # What it is elsewhere; this process makes nothing else.
    conv.ToImage.forward = torch.nn.ConvTranspose2d.forward  # type: ignore[method-assign, assignment]
    family = _family(name, shape)
    for player, optimizer in family.optimizers.items():
        group = optimizer.param_groups[0]
        family.optimizers[player] = torch.optim.Adam(group["params"], group["lr"], group["betas"])
    loader = DataLoader(_Pictures(_images(shape)[:, 0]), family.options.batch_size, shuffle=True, drop_last=True)

    clock, done = _Clock(), 0
    while True:
        for real, _ in loader:
            clock.at(done)
            _usual_step(family, real.to(_device()), done)
            done += 1
            if done == WARM + STEPS:
                return clock.read()


def _usual_step(family: families.Family, real: Tensor, step: int) -> None:
    options, generator, critic = family.options, family.generator, family.discriminator
    first, second = family.optimizers["generator"], family.optimizers["discriminator"]
    second.zero_grad()
    fake = generator(_noise(family)).detach()
    real.requires_grad_(options.penalised(step) and options.r1_gamma > 0)
    logits = critic(real)
    loss = family.loss.discriminator(logits, critic(fake))
    if options.penalised(step):
        penalty = torch.zeros((), device=real.device)
        if options.r1_gamma:
            (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
            penalty = options.r1_gamma / 2 * gradient.square().flatten(1).sum(1).mean()
        if options.gp_lambda:
            ratio = torch.rand(len(real), 1, 1, 1, device=real.device)
            between = (ratio * real + (1 - ratio) * fake).requires_grad_()
            with _by_its_tangent():
                logits = critic(between)
            (gradient,) = torch.autograd.grad(logits, between, torch.ones_like(logits), create_graph=True)
            penalty = penalty + options.gp_lambda * (gradient.flatten(1).norm(2, dim=1) - 1).square().mean()
        loss = loss + options.penalty_every * penalty
    loss.backward()
    second.step()
    loss.item()
    if options.others_turn(step):
        first.zero_grad()
        logits = critic(generator(_noise(family)))
        loss = family.loss.generator(logits, logits)
        loss.backward()
        first.step()
        loss.item()


def _by_its_tangent() -> AbstractContextManager[object]:
    """The minibatch deviation as the engine's penalty takes it (docs/decisions/0007-penalties.md)."""
    return patch.object(conv, "minibatch_deviation", tangent)
