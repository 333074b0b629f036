"""An evaluation as rows that people read: each figure beside what real images score, and which way is better."""

from __future__ import annotations

from typing import NamedTuple

from ganlib.core import tables
from ganlib.evaluation.evaluate import Evaluation
from ganlib.evaluation.metrics import metrics


class Line(NamedTuple):
    """One figure in words."""

    name: str
    value: str
    real: str
    """What real images score; empty where that makes no sense."""
    better: str
    figure: str = ""
    """Its name in the record; empty where the line holds several."""


def lines(found: Evaluation) -> list[Line]:
    """Return all figures that ``found`` has; a metric that is no more is shown by its name."""
    rows = []
    for name, figure in found.figures.items():
        metric = metrics().get(name)
        shown = metric.interval if metric else str
        real = shown(found.floors[name]) if name in found.floors else ""
        rows.append(Line(metric.label if metric else name, shown(figure), real, metric.better if metric else "", name))
    rows += [
        Line(f"{name} as asked", str(share), "", "higher", f"agreement: {name}")
        for name, share in found.agreement.items()
    ]
    if found.confidence is not None:
        rows.append(Line("classes", found.classes(), "", "as in the data"))
        rows.append(Line("judge's confidence", f"{found.confidence:.3f}", "", "higher", "confidence"))
    if given := found.delivery:
        rows += [
            Line("size", f"{given.bytes / 1000:,.0f} kB", "", "lower", "bytes"),
            Line(
                "latency of one image",
                f"{given.latency_ms:.2f} ms, 95% {given.latency_p95_ms:.2f}",
                "",
                "lower",
                "latency_ms",
            ),
            Line(
                "images a second",
                f"{given.images_per_second:,.0f} on {given.threads} threads",
                "",
                "higher",
                "images_per_second",
            ),
        ]
        if given.max_pixel_difference is not None and given.differing_share is not None:
            parity = f"{given.max_pixel_difference} grey levels, {100 * given.differing_share:.4f}% of pixels"
            whom = "the net in torch"
            if given.mean_pixel_difference is not None:
                whom, parity = "its parent", f"{parity}, {given.mean_pixel_difference:.3g} on the mean"
            rows.append(Line(f"off {whom} by at most", parity, "", "lower"))
    return rows


def note(found: Evaluation) -> str:
    """What the figures depend on."""
    machine = f"; {found.delivery.machine}" if found.delivery else ""
    return (
        f"{found.n:,} images, seed {found.seed}, {100 * found.level:.0f}% intervals, judge {found.judge_sha256[:12]}, "
        f"data {found.data_version[:12]}, metric version {found.metric_version}{machine}"
    )


def text(found: Evaluation) -> str:
    """A table for a terminal."""
    from rich.table import Table

    table = Table("", "model", "real images", "better")
    for line in lines(found):
        table.add_row(*line[:4])
    return f"{tables.text(table)}{note(found)}"
