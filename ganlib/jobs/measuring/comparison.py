"""What a comparison of models found, and how it is shown: a table, a plot, a sheet of images."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ganlib.core import tables
from ganlib.core.record import Record
from ganlib.evaluation.evaluate import Evaluation
from ganlib.generation.noise import BLOCK

if TYPE_CHECKING:
    from ganlib.config import MarkConfig
    from ganlib.generation.session import OnnxModel

_COLUMNS = 20  # images of each model on the sheet


class ComparisonRow(Record):
    """One model."""

    label: str
    """Short and unique among the rows."""
    family: str
    reference: str
    """What :func:`ganlib.jobs.models.fetch` takes."""
    sha256: str
    version: int | None
    run_id: str | None
    budget: str | None
    """The row of ``budgets`` in params.yaml that the run was trained by; None if by none that is there now."""
    evaluation: Evaluation
    reused: bool
    """The evaluation is one that the run already had, of the same judge, data version, n and seed."""
    held_out: dict[str, float]
    """What training measured on the test split: reconstructions, and figures of the family's own."""
    train_seconds: float | None
    images_seen: int | None
    images_per_second: float
    onnx_bytes: int
    parameters: int
    """Floating-point numbers stored in the graph."""


class Comparison(Record):
    """All rows, and what their figures depend on."""

    rows: tuple[ComparisonRow, ...]
    data_version: str
    machine: str
    """Where images a second were measured."""
    rounds: int
    run_id: str
    """The MLflow run that keeps table, plot and sheet."""
    recorded: tuple[str, ...] = ()
    """Families whose row in ``measured.json`` was rewritten."""

    @property
    def note(self) -> str:
        """What a reader of the table must know."""
        evaluation = self.rows[0].evaluation
        return (
            f"FID and KID of {evaluation.n:,} images of seed {evaluation.seed} with {100 * evaluation.level:.0f}% "
            f"intervals; F is the FID of as many real images, {evaluation.floor_fid}; judge "
            f"{evaluation.judge_sha256[:12]}, data "
            f"{self.data_version[:12]}. Images a second: onnxruntime, one thread, blocks of {BLOCK}, median of "
            f"{self.rounds} rounds, {self.machine}."
        )


_CELLS: dict[str, Callable[[ComparisonRow], str]] = {
    "model": lambda row: row.label,
    "FID": lambda row: str(row.evaluation.fid),
    "x F": lambda row: f"{row.evaluation.fid_over_floor:.1f}",
    "KID": lambda row: str(row.evaluation.kid),
    "classes": lambda row: _shares(row.evaluation.class_shares),
    "as asked": lambda row: ", ".join(f"{name} {100 * x.value:.1f}%" for name, x in row.evaluation.agreement.items()),
    "held out": lambda row: ", ".join(f"{name} {value:.3g}" for name, value in sorted(row.held_out.items())),
    "trained": lambda row: "" if row.train_seconds is None else f"{row.train_seconds:,.0f} s",
    "images seen": lambda row: "" if row.images_seen is None else f"{row.images_seen:,}",
    "images/s": lambda row: f"{row.images_per_second:,.0f}",
    "ONNX": lambda row: f"{row.onnx_bytes / 1000:,.0f} kB",
    "parameters": lambda row: f"{row.parameters:,}",
    "from": lambda row: f"v{row.version}" if row.version else (row.run_id or "file")[:8],
    "budget": lambda row: row.budget or "",
}


def _shares(shares: Sequence[float]) -> str:
    """The rarest class's share of the images and the commonest one's; nothing where there are no classes."""
    return f"{100 * min(shares):.1f}-{100 * max(shares):.1f}%" if shares else ""


def _cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table, without columns that nobody fills."""
    body = [[cell(row) for cell in _CELLS.values()] for row in comparison.rows]
    columns = [at for at in range(len(_CELLS)) if any(line[at] for line in body)]
    return [list(_CELLS)[at] for at in columns], [[line[at] or "-" for at in columns] for line in body]


def markdown(comparison: Comparison) -> str:
    """Return the table as a Markdown document."""
    head, body = _cells(comparison)
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{comparison.note}\n"


def text(comparison: Comparison) -> str:
    """Return the table for a terminal."""
    from rich.table import Table

    head, body = _cells(comparison)
    table = Table(*head)
    for column in table.columns[1:]:
        column.justify = "right"
    for line in body:
        table.add_row(*line)
    return f"{tables.text(table)}{comparison.note}\nlogged as run {comparison.run_id}" + (
        f"\nrecorded: {', '.join(comparison.recorded)}" if comparison.recorded else ""
    )


def plot(rows: Sequence[ComparisonRow]) -> bytes:
    """Return a PNG of quality against speed: FID over F with its interval, and images a second, both logarithmic."""
    from matplotlib.figure import Figure  # comes with mlflow; no pyplot, which would look for a display

    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    for row in rows:
        fid, floor = row.evaluation.fid, row.evaluation.floor_fid.value
        value, low, high = (max(each, 1e-9) / floor for each in (fid.value, fid.low, fid.high))
        spread = [[max(value - low, 0)], [max(high - value, 0)]]
        axes.errorbar([row.images_per_second], [value], yerr=spread, fmt="o", capsize=3)
        axes.annotate(row.label, (row.images_per_second, value), textcoords="offset points", xytext=(7, 4))
    axes.set_xlabel("images a second, onnxruntime, one thread")
    axes.set_ylabel("FID / FID of real images (lower is better)")
    axes.margins(0.2)
    axes.grid(visible=True, which="both", alpha=0.25)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def sheet(rows: Sequence[ComparisonRow], models: Sequence[OnnxModel], seed: int, mark: MarkConfig) -> bytes:
    """Return a PNG with a row of images a model, all of one ``seed``; of a conditional model its classes in turn."""
    from ganlib.generation.pictures.side_by_side import picture

    labels = [row.label for row in rows]
    return picture(models, labels, seed, count=_COLUMNS, columns=_COLUMNS, beside=False, mark=mark)
