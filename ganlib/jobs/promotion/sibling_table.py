"""A model beside its siblings: one table, and what is lost said as plainly as what is gained."""

from __future__ import annotations

from pathlib import Path

from ganlib.core import tables
from ganlib.core.record import Record
from ganlib.evaluation.bootstrap import Interval, difference, unpack
from ganlib.evaluation.evaluate import Evaluation
from ganlib.export.onnx import Certificate
from ganlib.registry.gate import Decision

_SLOWER = 1.05
"""What a machine that does other things makes of equal speeds."""
_NOTHING = 0.01
"""Of real images' own FID: twins' replicates move together, so that an interval tells apart what nobody can see."""


class SiblingRow(Record):
    """The parent, or one of its siblings."""

    precision: str
    version: int | None
    path: Path
    sha256: str
    bytes: int
    latency_ms: float
    """Median time of one image on one thread, in turns with the others."""
    images_per_second: float
    """On one thread, in blocks, in turns with the others."""
    evaluation: Evaluation
    parity: Certificate | None = None
    """Against the parent; None for the parent itself."""
    fid_change: Interval | None = None
    """Its FID less the parent's, by a paired bootstrap; None for the parent."""
    remarks: tuple[str, ...] = ()
    """In words: is it slower, larger, worse?"""
    gate: Decision | None = None
    """Of a version: what the gate says, or said."""


class Siblings(Record):
    """A model and its siblings; the parent is the first row."""

    reference: str
    calibration: str
    machine: str
    rows: tuple[SiblingRow, ...]

    def summary(self) -> str:
        """Return a table, and a line for each sibling in words."""
        from rich.table import Table

        table = Table("", "version", "FID", "FID - parent's", "grey levels off", "one image", "images/s", "size")
        for row in self.rows:
            off = row.parity
            table.add_row(
                row.precision,
                "-" if row.version is None else str(row.version),
                str(row.evaluation.fid),
                "-" if row.fid_change is None else str(row.fid_change),
                "-" if off is None else f"{off.mean_difference:.3g} on the mean, at most {off.max_pixel_difference}",
                f"{row.latency_ms:.2f} ms",
                f"{row.images_per_second:,.0f}",
                f"{row.bytes / 1000:,.0f} kB",
            )
        evaluation = self.rows[0].evaluation
        lines = [tables.text(table).rstrip("\n")]
        for row in self.rows[1:]:
            lines.append(f"{row.precision}: {'; '.join(row.remarks)}" + (f"; {row.path}" if not row.version else ""))
            lines += (
                [f"  NO  {check.name}: {check.detail}" for check in row.gate.checks if not check.passed]
                if row.gate
                else []
            )
        lines.append(
            f"FID of {evaluation.n:,} images of seed {evaluation.seed} with {100 * evaluation.level:.0f}% intervals, "
            f"judge {evaluation.judge_sha256[:12]}, data {evaluation.data_version[:12]}; "
            f"int8 calibrated on {self.calibration}; speed on one thread of {self.machine}"
        )
        return "\n".join(lines)


def fid_change(parent: Evaluation, sibling: Evaluation) -> Interval | None:
    """Return the sibling's FID less the parent's, by a paired bootstrap; None if they have no replicates that fit."""
    import numpy as np

    a, b = (
        np.append(evaluation.fid.value, unpack(evaluation.resampled.get("fid", ""))) for evaluation in (parent, sibling)
    )
    return difference(a, b, parent.level)


def as_good(change: Interval, parent: Evaluation) -> bool:
    """Say whether a sibling whose FID is that of ``parent`` plus ``change`` is as good as its parent."""
    return abs(change.value) < _NOTHING * parent.floor_fid.value


def remarks(row: SiblingRow, parent: SiblingRow, decision: Decision | None) -> tuple[str, ...]:
    """Return what a sibling is beside its parent, in words: what is lost is said as plainly as what is gained."""
    size = row.bytes / parent.bytes
    words = [f"{size:.2f} x the size" if size < 1 else f"no smaller: {size:.2f} x the size"]
    for name, ratio in (
        ("the time of one image", row.latency_ms / parent.latency_ms),
        ("the time of a block", parent.images_per_second / row.images_per_second),
    ):
        verb = "slower" if ratio > _SLOWER else "faster" if ratio < 1 / _SLOWER else "no faster"
        words.append(f"{verb}: {ratio:.2f} x {name}")
    change = row.fid_change
    if change is None:
        words.append("its FID cannot be compared")
    elif as_good(change, parent.evaluation):
        words.append(f"as good: FID changed by {change.value:+.2g}, less than a hundredth of what real images score")
    elif change.low > 0:
        words.append(f"worse: FID higher by {change}")
    elif change.high < 0:
        words.append(f"better: FID lower by {Interval(value=-change.value, low=-change.high, high=-change.low)}")
    else:
        words.append(f"neither better nor worse beyond doubt: FID changed by {change}")
    if decision is not None:
        words.append(_answer(decision))
    return tuple(words)


def _answer(decision: Decision) -> str:
    would, verb = ("would ", "") if decision.dry_run else ("", "d")
    if decision.awaiting:
        return f"the gate {would or 'has '}pass{'' if decision.dry_run else 'ed'} it, and a person is to approve"
    return f"the gate {would}{'promote' if decision.promoted else 'refuse'}{verb} it"
