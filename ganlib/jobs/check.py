"""The checks of a training: how good its moving average is, and whether it is still sound."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from ganlib.data.splits import load_split
from ganlib.evaluation.judge import load_judge
from ganlib.evaluation.validation import Validated, Validation
from ganlib.export.sampler import to_pixels
from ganlib.families.base import Family
from ganlib.progress import Report, silent
from ganlib.training.loop import Verdict

STAGE = "check"
"""Of the remarks that tell of each check."""
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
        prepared: Path,
        log: Callable[[dict[str, float], int], None],
        *,
        samples: int,
        seed: int,
        report: Report = silent,
    ) -> None:
        """The validation split in ``prepared`` is read at the first check; ``report`` hears of each."""
        self._family, self._prepared, self._log, self._samples, self._seed = family, prepared, log, samples, seed
        self._report = report

    def __call__(self, model: nn.Module, step: int, best: float) -> Verdict:
        """Judge the moving average ``model``, and log what was found, unless it lacks a part at ``step``.

        An untrained generator draws one digit too, so a lack of variety is a collapse only where the run has been far
        better (``best`` is its lowest FID), or should long be.
        """
        if step < self._family.comparable_from():
            return Verdict()
        found = self._measure(model)
        self._log(
            {
                "validation_fid": found.fid,
                "validation_diversity": found.diversity,
                "validation_most_of_one_digit": max(found.digits),
            },
            step,
        )
        self._report(STAGE, 0, 0, {"step": step, "validation_fid": found.fid})
        late = 2 * step >= self._family.horizon and step * self._family.options.batch_size >= _LEARNT
        return Verdict(found.fid, found.collapsed() if late or found.fid > _FALLEN * best else None)

    def score(self, model: nn.Module) -> float:
        """The validation FID of ``model`` as it is."""
        return self._measure(model).fid

    def compare(self, fid: float, step: int) -> None:
        """Log what the moving average, whose validation FID is ``fid``, gained on the raw generator of ``step``."""
        raw = self._measure(self._family.generator.eval()).fid
        self._log({"validation_fid_raw": raw, "validation_fid_gained_by_ema": raw - fid}, step)

    @cached_property
    def _validation(self) -> Validation:
        return Validation(load_judge(), load_split(self._prepared, "validation").images)

    @torch.no_grad()
    def _measure(self, model: nn.Module) -> Validated:
        inputs = self._family.inputs(self._samples, self._seed)
        chunks = zip(*(torch.split(tensor, _CHUNK) for tensor in inputs), strict=True)
        images = [to_pixels(model(*chunk).float()).cpu() for chunk in chunks]
        return self._validation.of(torch.cat(images).numpy())
