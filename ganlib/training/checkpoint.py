"""Everything that decides the next step, in one file that is whole or absent; and which of these files are kept.

Randomness is drawn anew from (seed, step) at every step, and the data order from (seed, epoch), so nets, moving
average, optimisers and the step number are the whole state: no generator's state needs saving.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch
from torch import nn

from ganlib.core.errors import BadInput
from ganlib.core.events import Remark
from ganlib.core.files import atomic_path, require_space
from ganlib.core.progress import Report, silent
from ganlib.families.parts.base import Family
from ganlib.training.ema import Ema
from ganlib.training.rates import scale

_PARTS = {"name", "config", "progress", "family", "ema", "optimizers"}


@dataclass(frozen=True)
class Progress:
    """How far a run has come. It is part of its checkpoints."""

    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Of training alone."""
    checking: float = 0.0
    """Seconds that its checks took besides."""
    best: float = math.inf
    """The lowest score of a check."""
    best_step: int = 0
    """Where that was; 0 where no check gave a score."""
    stale: int = 0
    """Scores since the best one."""
    rollbacks: int = 0
    """How often it went back to a healthy state."""

    def scored(self, score: float) -> Progress:
        """After a check at this step."""
        if score < self.best:
            return replace(self, best=score, best_step=self.step, stale=0)
        return replace(self, stale=self.stale + 1)


class Checkpoints:
    """The files of one run: the last ones, newest first, the last that a check found healthy, and the best by score."""

    def __init__(self, path: Path, config: dict[str, Any], *, keep: int = 2) -> None:
        """Keep ``keep`` at ``path``, ``path-1``, ...

        ``config`` is everything that shapes the run: a resume with another one is refused.
        """
        self.path = path
        self._config: dict[str, Any] = json.loads(json.dumps(config))
        self._last = [path, *(path.with_stem(f"{path.stem}-{k}") for k in range(1, keep))]
        self._healthy, self.best = path.with_stem(f"{path.stem}-healthy"), path.with_stem(f"{path.stem}-best")

    def save(self, family: Family, ema: Ema, progress: Progress, *, healthy: bool = False) -> None:
        """Write the state atomically. ``healthy``: a check has passed it; it is also kept as such until the next one.

        Raises:
            NoSpace: the disk is full; the checkpoints that were there are intact.
        """
        buffer = io.BytesIO()  # torch's own writer does not say that a disk is full
        torch.save(
            {
                "name": family.name,
                "config": json.dumps(self._config, sort_keys=True),
                "progress": asdict(progress),
                "family": family.state_dict(),
                "ema": ema.module.state_dict(),
                "optimizers": {name: optimizer.state_dict() for name, optimizer in family.optimizers.items()},
            },
            buffer,
        )
        data = buffer.getbuffer()
        # The newest one last: a kill in between means that the check is made again, and writes the same.
        if healthy:
            _write(self._healthy, data)
            if progress.best_step == progress.step:
                _write(self.best, data)
        require_space(self.path.parent, len(data))
        with atomic_path(self.path) as part:
            part.write_bytes(data)
            for newer, older in reversed([*zip(self._last, self._last[1:], strict=False)]):
                if newer.exists():
                    older.unlink(missing_ok=True)
                    os.link(newer, older)  # not moved: there is a newest one at any time

    def restore(self, family: Family, ema: Ema, report: Report = silent) -> Progress:
        """Load the newest checkpoint that can be read into ``family`` and ``ema``; ``report`` hears of damaged ones.

        Raises:
            BadInput: there is none, or its family or config differs (each difference is named).
        """
        return self._load(self.newest(self._last, report), family, ema)

    def restore_best(self, family: Family, ema: Ema, report: Report = silent) -> Progress:
        """Load the best checkpoint by score; if it is damaged, the newest one. Raises as :meth:`restore`."""
        return self._load(self.newest([self.best, *self._last], report), family, ema)

    def roll_back(self, family: Family, ema: Ema, *, most: int, report: Report = silent) -> Progress | None:
        """Load the last state that a check passed, or else the newest, with learning rates halved once a rollback.

        Older checkpoints go, because they may hold what was wrong; the state that is returned is the newest one.

        Returns:
            None if the run was rolled back ``most`` times already, or if there is nothing to go back to.
        """
        if not any(path.exists() for path in (self._healthy, *self._last)):
            return None
        last = Progress(**self.newest(self._last, report)["progress"])
        if last.rollbacks >= most:
            return None
        progress = self._load(self.newest([self._healthy, *self._last], report), family, ema)
        share = 0.5 ** (last.rollbacks + 1 - progress.rollbacks)
        for optimizer in family.optimizers.values():
            scale(optimizer, share)
        # The time is spent, whatever came of it.
        progress = replace(progress, rollbacks=last.rollbacks + 1, seconds=last.seconds, checking=last.checking)
        self.save(family, ema, progress)
        for path in self._last[1:]:
            path.unlink(missing_ok=True)
        return progress

    def newest(self, paths: list[Path], report: Report) -> dict[str, Any]:
        """The first of ``paths`` that can be read."""
        troubles = []
        for path in paths:
            try:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            except FileNotFoundError:
                continue
            except (RuntimeError, EOFError, pickle.UnpicklingError, BadZipFile, OSError) as error:
                troubles.append(f"{path} cannot be read ({type(error).__name__})")
                continue
            if not isinstance(state, dict) or not state.keys() >= _PARTS:
                troubles.append(f"{path} is not a checkpoint of this version")
                continue
            if troubles:
                report.event(Remark("checkpoint", {"damaged": "; ".join(troubles), "used instead": path.name}))
            return state
        if troubles:
            raise BadInput(f"checkpoint {'; '.join(troubles)}; there is no older one: train afresh.")
        raise BadInput(f"no checkpoint at {self.path}: nothing to resume.")

    def _load(self, state: dict[str, Any], family: Family, ema: Ema) -> Progress:
        if state["name"] != family.name:
            raise BadInput(f"{self.path} is a checkpoint of {state['name']}, not of {family.name}.")
        before, now = json.loads(state["config"]), self._config
        changes = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        if changes:
            listing = "; ".join(f"{key}: {before.get(key)!r} then, {now.get(key)!r} now" for key in changes)
            raise BadInput(f"cannot resume with another configuration: {listing}.")
        family.load_state_dict(state["family"])
        ema.module.load_state_dict(state["ema"])
        for name, optimizer in family.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        return Progress(**state["progress"])


def read_average(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return what shaped the run of the checkpoint at ``path``, and the weights of its moving average, on the CPU.

    Raises:
        BadInput: there is no file, or it is damaged or not a checkpoint of this version.
    """
    state = Checkpoints(path, {}).newest([path], silent)
    return json.loads(state["config"]), state["ema"]


def read_part(path: Path, name: str, module: nn.Module) -> None:
    """Load what the checkpoint at ``path`` has of the family's child ``name`` into ``module``.

    Raises:
        BadInput: there is no file, it is damaged, or that net has other parts or sizes.
    """
    state, prefix = Checkpoints(path, {}).newest([path], silent), f"{name}."
    weights = {key.removeprefix(prefix): value for key, value in state["family"].items() if key.startswith(prefix)}
    _load_fitting(module, weights, 0)


def read_weights(path: Path, family: Family, ema: Ema, *, same_classes: bool) -> list[str]:
    """Load the nets and the moving average of the checkpoint at ``path`` into ``family`` and ``ema``.

    Without ``same_classes`` a weight that differs in the size of one dimension, as those of classes do, stays as it is.

    Returns:
        The names of those weights.

    Raises:
        BadInput: there is no file, it is damaged, of another family, or its nets have other sizes.
    """
    state = Checkpoints(path, {}).newest([path], silent)
    if state["name"] != family.name:
        raise BadInput(f"{path} is a checkpoint of {state['name']}, not of {family.name}.")
    most = 0 if same_classes else 1
    return sorted(_load_fitting(family, state["family"], most) | _load_fitting(ema.module, state["ema"], most))


def _load_fitting(module: nn.Module, weights: dict[str, torch.Tensor], most: int) -> set[str]:
    """Load what fits, and return the names of what differs in the size of at most ``most`` dimensions."""
    ours = module.state_dict()
    if others := ours.keys() ^ weights.keys():
        raise BadInput(f"its nets have other parts: {', '.join(sorted(others)[:3])}.")
    fresh = {name for name in ours if ours[name].shape != weights[name].shape}
    for name in sorted(fresh):
        here, there = ours[name].shape, weights[name].shape
        if len(here) != len(there) or sum(a != b for a, b in zip(here, there, strict=True)) > most:
            raise BadInput(f"its nets have other sizes: {name} is {[*there]} there and {[*here]} here.")
    module.load_state_dict({**weights, **{name: ours[name] for name in fresh}})
    return fresh


def _write(path: Path, data: memoryview) -> None:
    require_space(path.parent, len(data))
    with atomic_path(path) as part:
        part.write_bytes(data)
