"""The one training loop. It knows phases and nothing else of a family."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganlib.config import Limits
from ganlib.data import conditions
from ganlib.data.augment import shift_and_rotate
from ganlib.data.batches import DeviceBatches
from ganlib.errors import GanlibError
from ganlib.families.base import Batch, Family, Phase
from ganlib.progress import Report, silent
from ganlib.training import checkpoint
from ganlib.training.ema import Ema


class Diverged(GanlibError):
    """A loss is not a finite number. The last checkpoint is from before."""


@dataclass(frozen=True)
class Hooks:
    """What the loop tells the world. All default to nothing."""

    log: Callable[[dict[str, float], int], None] = lambda metrics, step: None
    """Mean losses since the last call and throughput, at a step."""
    grid: Callable[[Tensor, int], None] = lambda images, step: None
    """Float [64, 1, 28, 28] in [-1, 1] from the moving average, on the same noise every time."""
    report: Report = silent
    stop: Callable[[], bool] = lambda: False
    """True when the run is to end early; a checkpoint is written first."""


@dataclass(frozen=True)
class Plan:
    """How long, how often, and where the state is kept."""

    title: str
    """What progress calls this run."""
    seed: int
    budget: Limits
    checkpoint: Path
    config: dict[str, Any]
    """Everything that shapes the run; a resume with another is refused."""
    log_every: int = 50
    grids: int = 4
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class Outcome:
    """How training ended: ``steps`` done, ``seconds`` used, whether ``stopped`` before its budget."""

    steps: int
    seconds: float
    images: int
    stopped: bool


def fit(family: Family, ema: Ema, data: DeviceBatches, plan: Plan, hooks: Hooks, *, resume: bool = False) -> Outcome:
    """Train ``family`` until the budget's first limit; leave a checkpoint at the end, whatever the end is.

    Losses stay on the device and are read to the host once in ``plan.log_every`` steps.

    Raises:
        Diverged: a loss became NaN or infinite; nothing after it was saved.
        BadInput: ``resume`` and there is no checkpoint that fits.
    """
    step, before = checkpoint.restore(plan.checkpoint, family, ema, config=plan.config) if resume else (0, 0.0)
    size, total = family.options.batch_size, plan.budget.steps
    grid_at = {math.ceil(total * k / plan.grids) for k in range(1, plan.grids + 1)}
    inputs = _fixed_inputs(family, plan.seed)
    family.horizon = total
    window = _Window()
    start = saved = time.monotonic()
    stopped = False
    family.train()

    def seconds() -> float:
        return before + time.monotonic() - start

    def settle() -> None:
        """Read the losses; refuse to go on, or to save anything, if one is not finite."""
        metrics = window.read(size)
        bad = ", ".join(name for name, value in metrics.items() if not math.isfinite(value))
        if bad:
            raise Diverged(
                f"{bad} is not finite by step {step}: the run was stopped; its last checkpoint is from before."
            )
        hooks.log(metrics, step)
        hooks.report(plan.title, *_share(step, total, seconds(), plan.budget.seconds), metrics)

    def save() -> None:
        if window:
            settle()
        checkpoint.save(plan.checkpoint, family, ema, step=step, seconds=seconds(), config=plan.config)

    while step < total and seconds() < plan.budget.seconds:
        stopped = hooks.stop()
        if stopped:
            break
        torch.manual_seed(_mix(plan.seed, step))
        batch = _augmented(family, Batch(*data.at(step)))
        for phase in family.phases(step):
            window.add(_take_turn(family, phase, batch, step))
        step += 1
        ema.update(family.generator, batch=size, images_seen=step * size)
        if step % plan.log_every == 0:
            settle()
            if time.monotonic() - saved > plan.checkpoint_seconds:
                save()
                saved = time.monotonic()
        if step in grid_at:
            hooks.grid(_draw(ema, inputs), step)
    save()
    if not stopped:
        hooks.report(plan.title, 1000, 1000)
    return Outcome(step, seconds(), step * size, stopped)


def _take_turn(family: Family, phase: Phase, batch: Batch, step: int) -> dict[str, Tensor]:
    for parameter in family.parameters():
        parameter.requires_grad_(False)
    for parameter in phase.player.parameters():
        parameter.requires_grad_(True)
    phase.optimizer.zero_grad(set_to_none=True)
    loss, losses = phase.loss(batch, step)
    loss.backward()  # type: ignore[no-untyped-call]
    phase.optimizer.step()
    return losses


def _augmented(family: Family, batch: Batch) -> Batch:
    options = family.options
    if not (options.shift or options.rotate):
        return batch
    return replace(batch, images=shift_and_rotate(batch.images, options.shift, options.rotate))


def _fixed_inputs(family: Family, seed: int) -> list[Tensor]:
    """What the sample grids are drawn from: noise, and a condition where the family has one."""
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(64, family.noise_dim, generator=generator)]
    if family.condition:
        inputs.append(torch.from_numpy(conditions.draw(family.condition, np.random.default_rng(seed), 64)))
    device = next(family.parameters()).device
    return [tensor.to(device) for tensor in inputs]


@torch.no_grad()
def _draw(ema: Ema, inputs: list[Tensor]) -> Tensor:
    images: Tensor = ema.module(*inputs)
    return images.float().cpu()


def _mix(seed: int, step: int) -> int:
    """One 63-bit number of (seed, step) that no other pair in reach shares."""
    return (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % (1 << 63)


def _share(step: int, total: int, seconds: float, limit: float) -> tuple[int, int]:
    """Progress in thousandths of the budget, by whichever limit is nearer."""
    return min(999, round(1000 * max(step / total, seconds / limit))), 1000


class _Window:
    """Sums of loss tensors on the device since the last read."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._since = time.monotonic()

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, losses: dict[str, Tensor]) -> None:
        for name, value in losses.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def read(self, batch: int) -> dict[str, float]:
        """Means, in one transfer to the host; and images a second. Starts a new window."""
        values = torch.stack([value.float() for value in self._sums.values()]).tolist()
        means = {name: value / self._counts[name] for name, value in zip(self._sums, values, strict=True)}
        steps = max(self._counts.values())
        means["images_per_second"] = steps * batch / (time.monotonic() - self._since)
        self._reset()
        return means
