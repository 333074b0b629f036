"""Two versions side by side: the same noise through both, and what differs: figures, options, data, size, speed."""

from __future__ import annotations

from pathlib import Path

from ganlib.config import Params
from ganlib.core.files import write_bytes
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.jobs.measuring.deltas import Delta, deltas, replicates
from ganlib.jobs.models import Model, fetch
from ganlib.tracking import history
from ganlib.tracking.store import Absent, connect

_IMAGES, _COLUMNS = 64, 8
_SIDE = ("bytes", "images_per_second")
_ROUNDS = 3


class Side(Record):
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


class Diff(Record):
    """What differs."""

    a: Side
    b: Side
    metrics: tuple[Delta, ...]
    incomparable: tuple[str, ...]
    """What the two evaluations do not share: the changes in figures are then not the models' alone."""
    params: dict[str, tuple[str | None, str | None]]
    """Options that differ, by name."""
    grid: Path | None
    """A picture: left the images of a, right those of b, of the same noise."""

    def summary(self) -> str:
        """Return a table for people."""
        rows = [("", f"a: {self.a.reference}", f"b: {self.b.reference}", "")]
        for name in ("version", "family", "data_version", "commit", "sha256"):
            ours, theirs = (str(getattr(side, name) or "?") for side in (self.a, self.b))
            rows.append((name, ours[:16], theirs[:16], "" if ours == theirs else "differs"))
        for name in _SIDE:
            ours, theirs = getattr(self.a, name), getattr(self.b, name)
            rows.append((name, f"{ours:,.0f}", f"{theirs:,.0f}", f"x {theirs / ours:.2f}"))
        for each in self.metrics:
            if each.name in _SIDE:  # measured anew above, in turns
                continue
            rows.append((each.name, f"{each.a:.4g}", f"{each.b:.4g}", f"{each.change:+.4g} {each.bounds()}".rstrip()))
        rows += [(name, str(ours), str(theirs), "option") for name, (ours, theirs) in self.params.items()]
        lines = [f"{name:22} {ours:>22} {theirs:>22}  {note}".rstrip() for name, ours, theirs, note in rows]
        if self.incomparable:
            lines.append(f"the figures are not comparable: other {', '.join(self.incomparable)}")
        return "\n".join([*lines, *([f"grid: {self.grid}"] if self.grid else [])])


def diff(
    project: Project, params: Params, a: str, b: str, *, out: Path | None = None, seed: int = 0, report: Report = silent
) -> Diff:
    """Compare two models; with ``out``, draw the first images of both from the same noise into that PNG.

    Args:
        project: the checkout.
        params: the configuration.
        a: see :func:`ganlib.jobs.models.fetch`.
        b: the same.
        out: the picture's file.
        seed: of the picture's noise, which is the same where both models have noise of the same width.
        report: told of progress.

    Raises:
        BadInput: no such model.
        Unavailable: the registry cannot be reached.
    """
    from ganlib.generation.pictures.side_by_side import picture
    from ganlib.generation.session import OnnxModel
    from ganlib.generation.speed.latency import images_per_second

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
    evaluations = [model.version.evaluation if model.version else None for model in models]
    store = connect(project)
    pair = [replicates(store, model.trained_by, each) for model, each in zip(models, evaluations, strict=True)]
    ours, theirs = evaluations
    if out is not None:
        titles = [f"{name}: {side.reference} ({side.family or '?'})" for name, side in zip("ab", sides, strict=True)]
        write_bytes(out, picture(graphs, titles, seed, count=_IMAGES, columns=_COLUMNS, beside=True, mark=params.mark))
    return Diff(
        a=sides[0],
        b=sides[1],
        metrics=deltas(ours, theirs, *pair),
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
