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


def lines(evaluation: Evaluation) -> list[Line]:
    """Return all figures that ``evaluation`` has; a metric that is no more is shown by its name."""
    rows = []
    order = list(metrics())
    for name in sorted(evaluation.figures, key=lambda name: order.index(name) if name in order else len(order)):
        figure, metric = evaluation.figures[name], metrics().get(name)
        as_text = metric.interval if metric else str
        real = as_text(evaluation.floors[name]) if name in evaluation.floors else ""
        rows.append(
            Line(metric.label if metric else name, as_text(figure), real, metric.better if metric else "", name)
        )
    rows += [
        Line(f"{name} as asked", str(share), "", "higher", f"agreement: {name}")
        for name, share in evaluation.agreement.items()
    ]
    if evaluation.confidence is not None:
        rows.append(Line("classes", evaluation.classes(), evaluation.classes(real=True), "as in the data"))
        rows.append(Line("judge's confidence", f"{evaluation.confidence:.3f}", "", "higher", "confidence"))
    if delivery := evaluation.delivery:
        rows += [
            Line("size", f"{delivery.bytes / 1000:,.0f} kB", "", "lower", "bytes"),
            Line(
                "latency of one image",
                f"{delivery.latency_ms:.2f} ms, 95% {delivery.latency_p95_ms:.2f}",
                "",
                "lower",
                "latency_ms",
            ),
            Line(
                "images a second",
                f"{delivery.images_per_second:,.0f} on {delivery.threads} threads",
                "",
                "higher",
                "images_per_second",
            ),
        ]
        if delivery.max_pixel_difference is not None and delivery.differing_share is not None:
            parity = f"{delivery.max_pixel_difference} grey levels, {100 * delivery.differing_share:.4f}% of pixels"
            whom = "the net in torch"
            if delivery.mean_pixel_difference is not None:
                whom, parity = "its parent", f"{parity}, {delivery.mean_pixel_difference:.3g} on the mean"
            rows.append(Line(f"off {whom} by at most", parity, "", "lower"))
    return rows


def note(evaluation: Evaluation) -> str:
    """What the figures depend on, and which of them decides where it is not the FID."""
    machine = f"; {evaluation.delivery.machine}" if evaluation.delivery else ""
    rule = f"; {evaluation.rule}" if evaluation.rule else ""
    return (
        f"{evaluation.n:,} images, seed {evaluation.seed}, {100 * evaluation.level:.0f}% intervals, judge "
        f"{evaluation.judge_sha256[:12]}, "
        f"data {evaluation.data_version[:12]}, metric version {evaluation.metric_version}{machine}{rule}"
    )


def text(evaluation: Evaluation) -> str:
    """A table for a terminal."""
    from rich.table import Table

    table = Table("", "model", "real images", "better")
    for line in lines(evaluation):
        table.add_row(*line[:4])
    return f"{tables.text(table)}{note(evaluation)}"
