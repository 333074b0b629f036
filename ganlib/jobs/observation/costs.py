"""What the project has cost, by month and by family, version or user."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from ganlib.config import Params
from ganlib.core.cost import Cost, money_text
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.registry.lineage import versions_by_run
from ganlib.tracking import batch_runs, costs, history
from ganlib.tracking.history import RunRecord
from ganlib.tracking.reap import open_store

By = Literal["family", "version", "user"]
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


class CostRow(Record):
    """What one family, version or user cost in one month."""

    month: str
    """UTC, as in 2026-11: in which the runs began."""
    group: str
    """A family's, user's or version's name; ``-``: a run that became no version."""
    runs: int = 0
    """Trainings, searches and comparisons."""
    batches: int = 0
    """Calls that made images of registered versions."""
    images: int = 0
    cost: Cost = Cost()


class CostTable(Record):
    """Rows by month, newest first, and within a month by what they cost."""

    by: By
    currency: str
    rows: tuple[CostRow, ...]
    total: Cost
    earlier_runs: int
    """Runs from before costs were measured; they are in no row."""

    def summary(self) -> str:
        """Return the table for a terminal."""
        from rich.table import Table

        from ganlib.core import tables

        if not self.rows:
            return f"nothing was measured yet{self._note()}"
        table = Table(box=None, pad_edge=False)
        heads = [*("month", self.by, "runs", "batches", "images"), *self._heads()]
        for place, head in enumerate(heads):
            table.add_column(head, justify="left" if place < 2 else "right")
        for row in self.rows:
            counts = (row.runs, row.batches, row.images)
            table.add_row(row.month, row.group, *(f"{count:,}" for count in counts), *_cells(row.cost))
        table.add_row("total", "", "", "", "", *_cells(self.total))
        return tables.text(table).rstrip() + self._note()

    def csv(self) -> str:
        """Return the rows as CSV: numbers bare, nothing where something was not measured."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["month", self.by, "runs", "batches", "images", *Cost.model_fields, "currency"])
        for row in self.rows:
            values = ["" if value is None else value for _, value in row.cost]
            rows.writerow([row.month, row.group, row.runs, row.batches, row.images, *values, self.currency])
        return text.getvalue()

    def _heads(self) -> tuple[str, ...]:
        return ("hours", "CPU hours", "GPU hours", "kWh", self.currency)

    def _note(self) -> str:
        return f"\n{self.earlier_runs:,} runs are from before costs were measured" if self.earlier_runs else ""


def cost_table(project: Project, params: Params, *, by: By = "family", month: str | None = None) -> CostTable:
    """Add up what MLflow has of runs and batches, also of those that were deleted or killed.

    Args:
        project: whose MLflow it is.
        params: has the prices, for runs without an amount.
        by: what a row is of.
        month: only this one, such as 2026-11; None: all.

    Raises:
        BadInput: ``month`` is none.
        Unavailable: MLflow does not answer.
    """
    if month is not None and not _MONTH.fullmatch(month):
        raise BadInput(f"--month {month}: a month is written as in 2026-11.")
    store = open_store(project)
    versions = versions_by_run(store) if by == "version" else {}
    rows: dict[tuple[str, str], CostRow] = {}
    total, earlier_runs = Cost(), 0
    for run in history.every(store):
        when = datetime.fromtimestamp(run.start / 1000, UTC).strftime("%Y-%m")
        if month not in (None, when):
            continue
        cost = costs.of_run(run.metrics, run.tags, params.costs)
        if cost is None:
            earlier_runs += run.family is not None
            continue
        total += cost
        key = when, _group(run, by, versions)
        rows[key] = _with(rows.get(key, CostRow(month=when, group=key[1])), run, cost)
    table = tuple(sorted(rows.values(), key=_order))
    return CostTable(by=by, currency=params.costs.currency, rows=table, total=total, earlier_runs=earlier_runs)


def _order(row: CostRow) -> tuple[int, float, float, str]:
    year, month = map(int, row.month.split("-"))
    return -(12 * year + month), -(row.cost.money or 0), -row.cost.cpu_seconds, row.group


def _group(run: RunRecord, by: By, versions: dict[str, str]) -> str:
    tags = run.tags
    if by == "user":
        return tags.get("mlflow.user", "unknown")
    if batch_runs.BATCH_TAG in tags:
        version = f"{tags.get(batch_runs.MODEL_TAG)} {tags.get(batch_runs.VERSION_TAG)}"
        return version if by == "version" else tags.get(batch_runs.FAMILY_TAG, "unknown")
    return versions.get(run.id, "-") if by == "version" else run.family or "unknown"


def _with(row: CostRow, run: RunRecord, cost: Cost) -> CostRow:
    is_batch = batch_runs.BATCH_TAG in run.tags
    return CostRow(
        month=row.month,
        group=row.group,
        runs=row.runs + (not is_batch),
        batches=row.batches + is_batch,
        images=row.images + (int(run.metrics.get(batch_runs.IMAGES, 0)) if is_batch else 0),
        cost=row.cost + cost,
    )


def _cells(cost: Cost) -> Iterable[str]:
    for seconds in (cost.wall_seconds, cost.cpu_seconds, cost.gpu_seconds):
        yield f"{seconds / 3600:,.2f}"
    yield "-" if cost.kwh is None else f"{cost.kwh:,.3f}"
    yield "-" if cost.money is None else money_text(cost.money)
