"""Two versions side by side: the same noise through both, and what differs: figures, options, data, size, speed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganlib.config import Frozen, Params
from ganlib.evaluation.bootstrap import Interval
from ganlib.evaluation.evaluate import SETTINGS, Evaluation
from ganlib.files import write_bytes
from ganlib.jobs.models import Model, fetch
from ganlib.progress import Report, silent
from ganlib.project import Project
from ganlib.tracking import history
from ganlib.tracking.store import Absent, connect

if TYPE_CHECKING:
    from ganlib.generation.session import OnnxModel

_ROWS, _COLUMNS = 8, 8
_ROUNDS = 3


class Side(Frozen):
    """One of the two."""

    reference: str
    version: int | None
    sha256: str
    family: str | None
    data_version: str | None
    commit: str | None
    bytes: int
    images_per_second: float
    """On one thread of this machine, in turns with the other."""


class Delta(Frozen):
    """One figure of both."""

    name: str
    a: float
    b: float
    change: float
    """``b - a``."""
    low: float | None
    high: float | None
    """The change's interval if both figures have one: from the ends of the two, so wider than a paired one."""


class Diff(Frozen):
    """What differs."""

    a: Side
    b: Side
    metrics: tuple[Delta, ...]
    incomparable: tuple[str, ...]
    """What the two evaluations do not share: the changes in figures are then not the models' alone."""
    params: dict[str, tuple[str | None, str | None]]
    """Options that differ, by name."""
    grid: Path | None
    """Sheet: left the images of a, right those of b, of the same seed and numbers."""

    def summary(self) -> str:
        """A table for people."""
        rows = [("", f"a: {self.a.reference}", f"b: {self.b.reference}", "")]
        for name in ("version", "family", "data_version", "commit", "sha256"):
            ours, theirs = (str(getattr(side, name) or "?") for side in (self.a, self.b))
            rows.append((name, ours[:16], theirs[:16], "" if ours == theirs else "differs"))
        for name in ("bytes", "images_per_second"):
            ours, theirs = getattr(self.a, name), getattr(self.b, name)
            rows.append((name, f"{ours:,.0f}", f"{theirs:,.0f}", f"x {theirs / ours:.2f}"))
        for each in self.metrics:
            bounds = "" if each.low is None else f" [{each.low:+.4g}, {each.high:+.4g}]"
            rows.append((each.name, f"{each.a:.4g}", f"{each.b:.4g}", f"{each.change:+.4g}{bounds}"))
        rows += [(name, str(ours), str(theirs), "option") for name, (ours, theirs) in self.params.items()]
        lines = [f"{name:22} {ours:>22} {theirs:>22}  {note}".rstrip() for name, ours, theirs, note in rows]
        if self.incomparable:
            lines.append(f"the figures are not comparable: other {', '.join(self.incomparable)}")
        return "\n".join([*lines, *([f"grid: {self.grid}"] if self.grid else [])])


def diff(
    project: Project, params: Params, a: str, b: str, *, out: Path | None = None, seed: int = 0, report: Report = silent
) -> Diff:
    """Compare two models; with ``out``, draw the first images of both from the same seed into that PNG.

    Args:
        project: the checkout.
        params: the configuration.
        a: see :func:`ganlib.jobs.models.fetch`.
        b: the same.
        out: the sheet's file.
        seed: of the sheet; the noise is the same where both models have noise of the same width.
        report: told of progress.

    Raises:
        BadInput: no such model.
        Unavailable: the registry cannot be reached.
    """
    from ganlib.generation.session import OnnxModel
    from ganlib.generation.speed import images_per_second

    models = [fetch(project, params, reference) for reference in (a, b)]
    graphs = [OnnxModel(model.path, sha256=model.sha256) for model in models]
    speeds = images_per_second(graphs, rounds=_ROUNDS, report=report)
    pasts = [_past(project, model) for model in models]
    sides = [
        Side(
            reference=model.reference,
            version=model.version.version if model.version else None,
            sha256=model.sha256,
            family=graph.metadata.get("family"),
            data_version=graph.metadata.get("data_version") or (model.version.data_version if model.version else None),
            commit=graph.metadata.get("source_commit"),
            bytes=model.path.stat().st_size,
            images_per_second=round(speed, 1),
        )
        for model, graph, speed in zip(models, graphs, speeds, strict=True)
    ]
    ours, theirs = (model.version.evaluation if model.version else None for model in models)
    if out is not None:
        write_bytes(out, _grid(graphs[0], graphs[1], seed))
    return Diff(
        a=sides[0],
        b=sides[1],
        metrics=_deltas(ours, theirs),
        incomparable=ours.unlike(theirs) if ours and theirs else (),
        params=_changed(*pasts),
        grid=out,
    )


def _past(project: Project, model: Model) -> dict[str, str]:
    """Options of the run that a model came from; empty if nobody knows it."""
    try:
        return history.read(connect(project), model.trained_by).params if model.trained_by else {}
    except Absent:
        return {}


def _changed(ours: dict[str, str], theirs: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    names = sorted({*ours, *theirs})
    return {name: (ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)}


def _figures(evaluation: Evaluation) -> dict[str, Interval | float]:
    """All that an evaluation measured of the model, by name; its floors and settings are not the model's."""
    found: dict[str, Interval | float] = {}
    for name in type(evaluation).model_fields:
        value = getattr(evaluation, name)
        if name.startswith("floor_") or name in SETTINGS:
            continue
        if isinstance(value, Interval | float):
            found[name] = value
        elif isinstance(value, dict):
            found |= {f"{name}: {key}": each for key, each in value.items() if isinstance(each, Interval | float)}
    return found


def _deltas(ours: Evaluation | None, theirs: Evaluation | None) -> tuple[Delta, ...]:
    """A row a figure that both have."""
    if ours is None or theirs is None:
        return ()
    left, right = _figures(ours), _figures(theirs)
    rows = []
    for name in left:
        if name not in right:
            continue
        a, b = left[name], right[name]
        low = high = None
        if isinstance(a, Interval) and isinstance(b, Interval):
            low, high = b.low - a.high, b.high - a.low
        values = [each.value if isinstance(each, Interval) else each for each in (a, b)]
        rows.append(Delta(name=name, a=values[0], b=values[1], change=values[1] - values[0], low=low, high=high))
    return tuple(rows)


def _grid(a: OnnxModel, b: OnnxModel, seed: int) -> bytes:
    import numpy as np

    from ganlib.generation.sheet import contact_sheet

    left, right = (model.images(seed, 0, _ROWS * _COLUMNS).reshape(_ROWS, _COLUMNS, 1, 28, 28) for model in (a, b))
    between = np.full((_ROWS, 1, 1, 28, 28), 255, np.uint8)
    rows = np.concatenate([left, between, right], axis=1).reshape(-1, 1, 28, 28)
    return contact_sheet(rows, columns=2 * _COLUMNS + 1)
