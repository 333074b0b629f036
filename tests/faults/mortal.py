"""Trainings that are killed in mid-step or in mid-checkpoint: ``python -m tests.faults.mortal FOLDER SPOT FAMILY...``.

Each family trains in a fork of its own, whose checkpoints are FOLDER/FAMILY.pt, and kills itself with SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganlib import families
from ganlib.config import Limits
from ganlib.data.batches import DeviceBatches
from ganlib.data.mnist.dataset import MNIST
from ganlib.families.parts.base import Family
from ganlib.training import loop
from ganlib.training.checkpoint import Checkpoints
from ganlib.training.ema import Ema

STEPS, KILLED_IN = 24, 14
"""Checks are made after steps 6, 12, 18 and 24, losses are read after 5, 10...; it saves with both."""


def options(name: str) -> dict[str, Any]:
    """Small nets, with every augmentation that the family has."""
    known = families.load(name).Options.model_fields
    wanted = {"channels": 8, "batch_size": 16, "latent_dim": 8, "shift": 1.5, "rotate": 10.0, "flip": True}
    wanted |= {"diffaugment_shift": 2, "diffaugment_cut": 8, "diffaugment_colour": True}
    wanted |= {"width": 16, "layers": 2, "heads": 2}  # of a prior
    return {key: value for key, value in wanted.items() if key in known}


def build(name: str, seed: int) -> tuple[Family, Ema]:
    """A family with the weights of ``seed``."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    family = families.build(name, families.options(name, options(name)), MNIST)
    return family, Ema(family.generator, 500)


def fit(
    family: Family, ema: Ema, path: Path, *, resume: bool = False, stop: Callable[[], bool] = lambda: False
) -> loop.TrainingOutcome:
    """Train to the last step."""
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 256, (100, 1, 28, 28), dtype=np.uint8), draw.integers(0, 10, 100)
    ranks = draw.random((100, 3), np.float32)
    data = DeviceBatches(images, labels, 16, 7, torch.device("cpu"), ranks=ranks)
    plan = loop.Plan(
        "t", 7, Limits(steps=STEPS, seconds=600), Checkpoints(path, options(family.name)), log_every=5,
        checkpoint_seconds=1e-9, checks=4, check_share=1e9,
    )  # fmt: skip
    inputs = family.inputs(4, 1)

    def check(model: torch.nn.Module, step: int, best: float) -> loop.Verdict:
        with torch.no_grad():
            return loop.Verdict(model(*inputs).square().mean().item())

    return loop.fit(family, ema, data, plan, loop.Hooks(check=check, stop=stop), resume=resume)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _in_a_step(family: Family) -> None:
    """Before an optimiser's step in the turns of step ``KILLED_IN``."""
    clean = family.phases

    def phases(step: int) -> Any:
        if step == KILLED_IN:
            for optimizer in family.optimizers.values():
                optimizer.register_step_pre_hook(lambda *_: _die())
        return clean(step)

    family.phases = phases  # type: ignore[method-assign]


def _in_a_checkpoint() -> None:
    """When the fourth newest one is written but has not taken its name."""
    clean, seen = Path.replace, [0]

    def replace(self: Path, target: Path) -> Path:
        seen[0] += not target.stem.endswith(("-healthy", "-best"))
        if seen[0] == 4:
            _die()
        return clean(self, target)

    Path.replace = replace  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    folder, spot, *names = sys.argv[1:]
    for name in names:
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), f"{name} was not killed"
            assert os.WTERMSIG(status) == signal.SIGKILL
            continue
        mortal, average = build(name, 3)
        if spot == "step":
            _in_a_step(mortal)
        else:
            _in_a_checkpoint()
        fit(mortal, average, Path(folder) / f"{name}.pt")
        os._exit(1)
