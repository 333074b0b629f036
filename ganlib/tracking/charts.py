"""What metrics are called in MLflow, whose page draws those with the same word before a slash as one group of charts.

Earlier versions wrote the plain names, and whoever reads a run's metrics asks for those: :func:`plain`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

GROUPS = ("loss", "quality", "classes", "digits", "health", "speed", "delivery", "cost")
_DELIVERY = (
    *("onnx_bytes", "latency_ms", "latency_p95_ms", "images_per_second"),
    *("max_pixel_difference", "differing_share", "mean_pixel_difference"),
)
_ENDS = ("_low", "_high")


def plain(metric: str) -> str:
    """Return the name without its group; names of others, such as MLflow's ``system/...``, as they are."""
    group, _, name = metric.partition("/")
    return name if group in GROUPS and name else metric


def of_group(group: str, values: Mapping[str, float]) -> dict[str, float]:
    """``values`` by their names in one of :data:`GROUPS`."""
    return {f"{group}/{name}": value for name, value in values.items()}


def of_training(values: Mapping[str, float]) -> dict[str, float]:
    """Name what the training loop tells: losses and their terms, as the family calls them; its speed and health."""
    return {f"{_training_group(name)}/{name}": value for name, value in values.items()}


def of_evaluation(figures: Mapping[str, float]) -> dict[str, float]:
    """Return the model's own of an evaluation's flat ``figures``; floors and ends of intervals are for the table."""
    return {f"{_figure_group(name)}/{name}": value for name, value in figures.items() if _is_own(name)}


def table(figures: Mapping[str, float]) -> str:
    """Return an evaluation's flat ``figures`` as CSV, which MLflow's page shows as a table.

    One a line, with its interval and with what real images score.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["figure", "value", "low", "high", "real images", "real images low", "real images high"])
    for name in filter(_is_own, figures):
        keys = [f"{floor}{name}{end}" for floor in ("", "floor_") for end in ("", *_ENDS)]
        rows.writerow([name, *(figures.get(key, "") for key in keys)])
    return text.getvalue()


def _training_group(name: str) -> str:
    if name == "images_per_second":
        return "speed"
    return "health" if name.startswith("gradient_norm_") else "loss"


def _figure_group(name: str) -> str:
    if name in _DELIVERY:
        return "delivery"
    return "classes" if name.startswith("class_") and name.endswith("_share") else "quality"


def _is_own(name: str) -> bool:
    return not name.startswith("floor_") and not name.endswith(_ENDS) and name != "confidence"
