"""What a distillation made: a student beside its teacher, and what is lost said as plainly as what is gained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ganlib.core.record import Record
from ganlib.evaluation.bootstrap import Interval
from ganlib.evaluation.evaluate import Evaluation, Speedup
from ganlib.generation.noise import BLOCK
from ganlib.registry.gate import Decision

if TYPE_CHECKING:
    from ganlib.generation.session import OnnxModel

_IMAGES = 1024
"""That the grey levels of teacher and student are compared on."""


class Distillation(Record):
    """A student that was registered, beside its teacher."""

    teacher: str
    """``models:/NAME/VERSION``."""
    version: int
    """The student's."""
    run_id: str
    family: str
    width: int
    """Of the student's generator, where the teacher's is ``teacher_width``."""
    teacher_width: int
    speed: float
    """Times the teacher's images a second that were asked for."""
    steps: int
    seconds: float
    """Of training."""
    speedups: tuple[Speedup, ...]
    """Beside the teacher, on one and on two threads."""
    mean_difference: float
    """Grey levels between the two on the mean, on the same noise."""
    before: Evaluation
    """Of the teacher."""
    after: Evaluation
    """Of the student."""
    fid_change: Interval | None
    """The student's FID less the teacher's, by a paired bootstrap."""
    gate: Decision
    """What the gate says, or said."""

    @property
    def fast(self) -> bool:
        """Whether the student is as fast as it was asked to be, on each number of threads."""
        return all(each.value >= self.speed for each in self.speedups)

    def summary(self) -> str:
        """Return some lines for people."""
        after = self.after
        lines = [
            f"version {self.version}: a student of {self.teacher}, {self.family} {self.width} wide instead of "
            f"{self.teacher_width}, {self.steps:,} steps in {self.seconds:.0f} s",
            *(
                f"{each}, in turns over {each.rounds} rounds ({each.images_per_second:,.0f} images/s)"
                for each in self.speedups
            ),
            f"FID {after.fid} against {self.before.fid}: "
            + ("not to be compared" if self.fid_change is None else f"changed by {self.fid_change}, paired"),
            f"{self.mean_difference:.3g} grey levels off its teacher on the mean of {_IMAGES:,} images",
            f"FID of {after.n:,} images of seed {after.seed}, real images' {after.floor_fid}, judge "
            f"{after.judge_sha256[:12]}, data {after.data_version[:12]}; speed on {self.speedups[0].machine}",
            self.gate.summary(),
        ]
        if not self.fast:
            lines.insert(
                1 + len(self.speedups),
                f"slower than asked for ({self.speed:g} times), beside what else this machine did",
            )
        return "\n".join(lines)


def measure_difference(ours: OnnxModel, theirs: OnnxModel, seed: int) -> float:
    """Return the mean distance in grey levels of what both draw of ``seed``."""
    total, values = 0, 0
    requests = [model.request(seed) for model in (ours, theirs)]
    for block in range(_IMAGES // BLOCK):
        a, b = (
            model.run(request.inputs(model.noise_dim, block)).astype(np.int16)
            for model, request in zip((ours, theirs), requests, strict=True)
        )
        total, values = total + int(np.abs(a - b).sum()), values + a.size
    return total / values
