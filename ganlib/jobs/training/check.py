"""The checks of a training: how good its moving average is, and whether it is still sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from ganlib.core.events import TrainingCheck
from ganlib.core.progress import Report, doing, silent
from ganlib.data.splits import load_split
from ganlib.evaluation.judge.judge import Judge
from ganlib.evaluation.validation import Validation, ValidationFigures
from ganlib.export.sampler import to_pixels
from ganlib.families.parts.base import Family
from ganlib.training.loop import Verdict

_CHUNK = 500
_FALLEN = 2.0
"""Times the best FID at which a lack of variety is a fall."""
_LEARNT = 200_000
"""Images after which every family's defaults have learnt to vary."""


class Checker:
    """Draws the same ``samples`` noise vectors and conditions every time."""

    def __init__(
        self,
        family: Family,
        folder: Path,
        log: Callable[[dict[str, float], int], None],
        *,
        judge: Callable[[], Judge],
        samples: int,
        seed: int,
        raw: bool = True,
        report: Report = silent,
    ) -> None:
        """The validation split in ``folder`` is read, and ``judge`` called, at the first check.

        ``report`` hears of each.

        ``raw``: measure the raw generator too, which makes a check take twice as long.
        """
        self._family, self._folder, self._log, self._samples, self._seed = family, folder, log, samples, seed
        self._raw, self._report, self._judge = raw, report, judge
        self.fid: float | None = None
        """What the last check found."""

    def __call__(self, model: nn.Module, step: int, best: float) -> Verdict:
        """Judge the moving average ``model``, and log what was found, unless it lacks a part at ``step``.

        The raw generator is measured beside it, on the same draws: what the average gains is part of the learning
        curve. The family's weights, statistics and modes and torch's random state are left as they were.

        An untrained generator draws one class too, so a lack of variety is a collapse only where the run has been far
        better (``best`` is its lowest FID), or should long be.
        """
        if step < self._family.comparable_from():
            return Verdict()
        with torch.random.fork_rng(devices=[]):  # building the judge's net draws from torch's global generator
            measurement = self._measure(model)
            gain = self._gained(measurement.fid) if self._raw else {}
        self._log(
            {
                "validation_fid": measurement.fid,
                "validation_diversity": measurement.diversity,
                "validation_most_of_one_class": measurement.largest_share,
                **gain,
            },
            step,
        )
        self.fid = measurement.fid
        self._report.event(TrainingCheck(step, measurement.fid))
        late = 2 * step >= self._family.horizon and step * self._family.options.batch_size >= _LEARNT
        return Verdict(measurement.fid, measurement.collapsed() if late or measurement.fid > _FALLEN * best else None)

    def score(self, model: nn.Module) -> float:
        """Return the validation FID of ``model`` as it is."""
        return self._measure(model).fid

    def _gained(self, fid: float) -> dict[str, float]:
        """The raw generator's validation FID, and by how much ``fid``, the moving average's, is lower."""
        with _evaluating(self._family.generator) as generator:
            raw = self._measure(generator).fid
        return {"validation_fid_raw": raw, "validation_fid_gained_by_ema": raw - fid}

    @cached_property
    def _validation(self) -> Validation:
        return Validation(self._judge(), load_split(self._folder, "validation").images)

    @doing("measure the validation FID")
    @torch.no_grad()
    def _measure(self, model: nn.Module) -> ValidationFigures:
        inputs = self._family.inputs(self._samples, self._seed)
        chunks = zip(*(torch.split(tensor, _CHUNK) for tensor in inputs), strict=True)
        images = [to_pixels(model(*chunk).float()).cpu() for chunk in chunks]
        return self._validation.of(torch.cat(images).numpy())


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[nn.Module]:
    """``module`` in evaluation mode; afterwards each of its parts is in the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield module.eval()
    finally:
        for part, mode in modes:
            part.training = mode
