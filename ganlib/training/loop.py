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
from ganlib.core.progress import Report, silent
from ganlib.data.batches import DeviceBatches
from ganlib.families.parts.base import Family
from ganlib.training.checkpoint import Checkpoints, Progress
from ganlib.training.distributed import ALONE, Team
from ganlib.training.ema import Ema
from ganlib.training.health import Unhealthy, Watch
from ganlib.training.step import Precision, Step, StepLosses


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
    """Float [64, channels, height, width] in [-1, 1] from the moving average, on the same noise every time."""
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
class TrainingOutcome:
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
) -> TrainingOutcome:
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
    progress = plan.checkpoints.restore(family, ema, hooks.report) if resume else Progress()
    return _Trainer(family, ema, data, plan, hooks, team, progress).run()


class _Trainer:
    """One call of :func:`fit`: how far it is, and what is done at a step, between steps and at the end."""

    def __init__(
        self, family: Family, ema: Ema, data: DeviceBatches, plan: Plan, hooks: Hooks, team: Team, progress: Progress
    ) -> None:
        self._family, self._ema, self._plan, self._hooks, self._team = family, ema, plan, hooks, team
        self._progress, self._step = progress, progress.step
        self._size, self._total = family.options.batch_size, plan.budget.steps
        self._grid_at, self._check_at = (
            {math.ceil(self._total * k / n) for k in range(1, n + 1)} for n in (plan.grids, plan.checks)
        )
        self._inputs = family.inputs(64, plan.seed)
        family.horizon = self._total
        self._window, self._watch = _Window(), Watch()
        self._take = Step(family, data, team, precision=plan.precision, graphs=plan.graphs)
        self._start = self._last_save = time.monotonic()
        self._before = progress.seconds + progress.checking

    def run(self) -> TrainingOutcome:
        """Take steps until the budget's first limit, and leave a checkpoint."""
        checked = stopped = False
        self._family.train()
        while self._more():
            stopped = self._team.agree(self._hooks.stop())
            if stopped:
                break
            self._advance()
            checked = self._step in self._check_at and self._team.agree(self._may_check())
            if checked:
                self._check()
        if self._plan.checks and not (stopped or checked):
            self._check()
        elif not checked:
            self._save()
        if not stopped:
            self._hooks.report.advance(self._plan.title, 1000, 1000)
        best = self._progress
        return TrainingOutcome(self._step, self._seconds(), self._step * self._size, stopped, best.best_step, best.best)

    def _seconds(self) -> float:
        """Seconds of training so far, those of earlier processes included and those of checks not."""
        return self._before + time.monotonic() - self._start - self._progress.checking

    def _more(self) -> bool:
        limit, patience = self._plan.budget.seconds, self._plan.patience
        within = self._step < self._total and self._seconds() < limit
        return self._team.agree(within and not 0 < patience <= self._progress.stale)

    def _may_check(self) -> bool:
        return self._progress.checking <= self._plan.check_share * self._seconds()

    def _advance(self) -> None:
        """Take one step; read the losses, save and draw a grid where they are due."""
        plan = self._plan
        self._take.seed(_mix(plan.seed, self._step))
        read = (self._step + 1) % plan.log_every == 0
        self._window.add(self._take(self._step, norms=read))
        self._step += 1
        self._ema.update(self._family.generator, batch=self._size, images_seen=self._step * self._size)
        if read:
            self._read_losses()
            if self._team.agree(time.monotonic() - self._last_save > plan.checkpoint_seconds):
                self._save()
                self._last_save = time.monotonic()
        if self._step in self._grid_at and self._team.leads:
            self._hooks.grid(_draw(self._ema, self._inputs), self._step)

    def _read_losses(self) -> None:
        """Read the losses; refuse to go on, or to save anything, if they say that something broke."""
        metrics = self._window.read(self._size, self._team)
        if problem := self._watch(metrics):
            raise Unhealthy(problem, self._step)
        self._hooks.log(metrics, self._step)
        share = _share(self._step, self._total, self._seconds(), self._plan.budget.seconds)
        self._hooks.report.advance(self._plan.title, *share, metrics)

    def _require_sound(self) -> None:
        if self._window:
            self._read_losses()
        _require_finite(self._family, self._ema, self._step)

    def _save(self, *, healthy: bool = False) -> None:
        self._require_sound()
        if self._team.leads:
            state = replace(self._progress, step=self._step, seconds=self._seconds())
            self._plan.checkpoints.save(self._family, self._ema, state, healthy=healthy)

    def _check(self) -> None:
        """Have the moving average judged, and keep it if it is the best one."""
        self._require_sound()
        start, best = time.monotonic(), self._progress.best
        outcome = self._hooks.check(self._ema.module, self._step, best) if self._team.leads else Verdict()
        verdict = self._team.tell(outcome)
        if verdict.problem:
            raise Unhealthy(verdict.problem, self._step)
        checking = self._progress.checking + time.monotonic() - start
        self._progress = replace(self._progress, step=self._step, checking=checking)
        if verdict.score is not None:
            self._progress = self._progress.scored(verdict.score)
        self._save(healthy=True)


def _require_finite(family: Family, ema: Ema, step: int) -> None:
    """Raise :class:`Unhealthy` if a weight or a buffer is not a finite number."""
    for module in (family, ema.module):
        tensors = [tensor for tensor in module.state_dict().values() if tensor.is_floating_point()]
        # A sum of absolute values is finite exactly if they all are, and is one number to read.
        if not math.isfinite(torch.stack([norm.float() for norm in torch._foreach_norm(tensors, 1)]).sum().item()):  # noqa: SLF001  (one kernel for all tensors)
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

    def add(self, turns: StepLosses) -> None:
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
