"""The one training loop. It knows phases and nothing else of a family."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ganlib.config import Limits
from ganlib.data.batches import DeviceBatches
from ganlib.families.base import Family
from ganlib.progress import Report, silent
from ganlib.training.checkpoint import Checkpoints, Progress
from ganlib.training.distributed import ALONE, Team
from ganlib.training.ema import Ema
from ganlib.training.health import Unhealthy, Watch
from ganlib.training.step import Precision, Step, Turns


@dataclass(frozen=True)
class Verdict:
    """What a check found."""

    score: float | None = None
    """How good the moving average is, lower is better; None where it cannot be compared."""
    problem: str | None = None
    """What is wrong with it, in words."""


@dataclass(frozen=True)
class Hooks:
    """What the loop tells the world. All default to nothing."""

    log: Callable[[dict[str, float], int], None] = lambda metrics, step: None
    """Mean losses since the last call and throughput, at a step."""
    grid: Callable[[Tensor, int], None] = lambda images, step: None
    """Float [64, 1, 28, 28] in [-1, 1] from the moving average, on the same noise every time."""
    check: Callable[[nn.Module, int, float], Verdict] = lambda module, step, best: Verdict()
    """Judges the moving average at a step, given the best score so far. Must leave the module as it is."""
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
    checkpoints: Checkpoints
    log_every: int = 50
    grids: int = 4
    checkpoint_seconds: float = 60.0
    checks: int = 0
    """Checks over the run, the last one at its end whatever ends it; 0: none."""
    check_share: float = 0.05
    """Of the training's time that checks may take before the next one waits."""
    patience: int = 0
    """Scores without a better one that end the run; 0: nothing ends it early."""
    precision: Precision = "fp32"
    graphs: bool = True
    """Replay CUDA graphs where the device and the family allow it."""


@dataclass(frozen=True)
class Outcome:
    """How training ended: ``steps`` done, ``seconds`` used, whether ``stopped`` before its budget."""

    steps: int
    seconds: float
    images: int
    stopped: bool
    best_step: int = 0
    """Where a check gave the best score, kept as the best checkpoint; 0 where none did."""
    best: float = math.inf
    """That score."""


def fit(
    family: Family,
    ema: Ema,
    data: DeviceBatches,
    plan: Plan,
    hooks: Hooks,
    *,
    resume: bool = False,
    team: Team = ALONE,
) -> Outcome:
    """Train ``family`` until the budget's first limit; leave a checkpoint at the end, whatever the end is.

    Losses stay on the device and are read to the host once in ``plan.log_every`` steps. Checks are not training: their
    seconds do not count, and one is left out while those before it took more than ``plan.check_share`` of the training.

    Of a ``team``, every process calls this with its share of ``data``. The leader's clock, hooks and checkpoints count.

    Raises:
        OutOfMemory: a step did not fit; the checkpoints that were there are kept.
        Unhealthy: a loss, a gradient or a weight is not finite, or what the watch and the checks find; nothing from
            after it was saved.
        BadInput: ``resume`` and there is no checkpoint that fits.
    """
    kept = plan.checkpoints
    so_far = kept.restore(family, ema, hooks.report) if resume else Progress()
    step, size, total = so_far.step, family.options.batch_size, plan.budget.steps
    grid_at, check_at = ({math.ceil(total * k / n) for k in range(1, n + 1)} for n in (plan.grids, plan.checks))
    inputs = family.inputs(64, plan.seed)
    family.horizon = total
    window, watch = _Window(), Watch()
    take = Step(family, data, team, precision=plan.precision, graphs=plan.graphs)
    start = saved = time.monotonic()
    before = so_far.seconds + so_far.checking
    checked = stopped = False
    family.train()

    def seconds() -> float:
        return before + time.monotonic() - start - so_far.checking

    def settle() -> None:
        """Read the losses; refuse to go on, or to save anything, if they say that something broke."""
        metrics = window.read(size, team)
        if problem := watch(metrics):
            raise Unhealthy(problem, step)
        hooks.log(metrics, step)
        hooks.report(plan.title, *_share(step, total, seconds(), plan.budget.seconds), metrics)

    def save(*, healthy: bool = False) -> None:
        if window:
            settle()
        _require_finite(family, ema, step)
        if team.leads:
            kept.save(family, ema, replace(so_far, step=step, seconds=seconds()), healthy=healthy)

    def check() -> None:
        nonlocal so_far
        if window:
            settle()
        _require_finite(family, ema, step)
        begun = time.monotonic()
        found = team.tell(hooks.check(ema.module, step, so_far.best) if team.leads else Verdict())
        if found.problem:
            raise Unhealthy(found.problem, step)
        so_far = replace(so_far, step=step, checking=so_far.checking + time.monotonic() - begun)
        if found.score is not None:
            so_far = so_far.scored(found.score)
        save(healthy=True)

    def more() -> bool:
        return team.agree(step < total and seconds() < plan.budget.seconds and not 0 < plan.patience <= so_far.stale)

    while more():
        stopped = team.agree(hooks.stop())
        if stopped:
            break
        take.seed(_mix(plan.seed, step))
        read = (step + 1) % plan.log_every == 0
        window.add(take(step, norms=read))
        step += 1
        ema.update(family.generator, batch=size, images_seen=step * size)
        if read:
            settle()
            if team.agree(time.monotonic() - saved > plan.checkpoint_seconds):
                save()
                saved = time.monotonic()
        if step in grid_at and team.leads:
            hooks.grid(_draw(ema, inputs), step)
        checked = step in check_at and team.agree(so_far.checking <= plan.check_share * seconds())
        if checked:
            check()
    if plan.checks and not (stopped or checked):
        check()
    elif not checked:
        save()
    if not stopped:
        hooks.report(plan.title, 1000, 1000)
    return Outcome(step, seconds(), step * size, stopped, so_far.best_step, so_far.best)


def _require_finite(family: Family, ema: Ema, step: int) -> None:
    """Raise :class:`Unhealthy` if a weight or a buffer is not a finite number."""
    for module in (family, ema.module):
        tensors = [tensor for tensor in module.state_dict().values() if tensor.is_floating_point()]
        # A sum of absolute values is finite exactly if they all are, and is one number to read.
        if not math.isfinite(torch.stack([norm.float() for norm in torch._foreach_norm(tensors, 1)]).sum().item()):
            bad = [name for name, value in module.state_dict().items() if not torch.isfinite(value).all()]
            raise Unhealthy(f"{bad[0] if bad else 'a sum of weights'} is not finite", step)


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
    """Sums of losses on the device since the last read."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._sums: dict[tuple[str, ...], tuple[Tensor, int]] = {}
        self._since = time.monotonic()

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, turns: Turns) -> None:
        so_far, count = self._sums.get(turns.names, (0.0, 0))
        self._sums[turns.names] = so_far + turns.values, count + 1  # a new tensor: the next step may overwrite its own

    def read(self, batch: int, team: Team) -> dict[str, float]:
        """Means, over the team too, in one transfer to the host; and images a second. Starts a new window."""
        sums = torch.cat([values for values, _ in self._sums.values()])
        team.average([sums])
        totals, counts = Counter[str](), Counter[str]()
        read = iter(sums.tolist())
        for names, (_, count) in self._sums.items():
            for name, value in zip(names, read, strict=False):
                totals[name] += value
                counts[name] += count
        means = {name: value / counts[name] for name, value in totals.items()}
        steps = sum(count for _, count in self._sums.values())
        means["images_per_second"] = steps * batch / (time.monotonic() - self._since)
        self._reset()
        return means
