"""Pictures of what lies between a model's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ganlib.config import ANONYMOUS, MarkConfig, Params
from ganlib.core.errors import BadInput
from ganlib.core.files import require_writable, write_bytes
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.generation.mark import packet_of_models
from ganlib.jobs.models import fetch
from ganlib.tracking import runs
from ganlib.tracking.store import connect

PAIRS, FRAMES = 8, 16
_MOST = 256  # pairs, and frames: more is a slip of the keyboard


class Interpolation(Record):
    """What was written."""

    model: dict[str, object]
    """Where the graph came from, as in a manifest of generated images."""
    seed: int
    pairs: int
    frames: int
    files: tuple[Path, ...]


def interpolate(
    project: Project | None,
    params: Params | None,
    model: str,
    *,
    out: Path,
    seed: int = 0,
    pairs: int = PAIRS,
    frames: int = FRAMES,
    labels: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
    report: Report = silent,
) -> Interpolation:
    """Write ``interpolation.png`` and ``interpolation.gif`` to ``out``: ``pairs`` ways between images of ``seed``.

    A conditional model also gets ``labels.png`` or ``captions.png``: rows of the same noise under each condition. All
    go to the model's MLflow run too, if it has one, under ``interpolation``.

    Args:
        project: as for :func:`ganlib.jobs.models.fetch`.
        params: the same.
        model: the same.
        out: a folder.
        seed: row r goes from image 2r of this seed to image 2r + 1.
        pairs: rows.
        frames: images a row, both ends among them.
        labels: see :func:`ganlib.generation.pictures.interpolate.conditions`.
        captions: the same.
        report: told of progress.

    Raises:
        BadInput: no such model, a condition that it does not take, too few or too many pairs or frames, or a folder
            that cannot be written.
    """
    _require(pairs, frames)
    from ganlib.generation.pictures import interpolate as between
    from ganlib.generation.session import OnnxModel

    source = fetch(project, params, model)
    graph = OnnxModel(source.path, sha256=source.sha256)
    conditions = between.conditions(graph, labels, captions)
    title = f"interpolate {graph.metadata.get('family', 'model')}"
    report.advance(title, 0, 1)
    grid = between.between_seeds(graph, seed, pairs, frames, conditions)
    marks = partial(_packet, params.mark if params else ANONYMOUS, source.sha256, seed)
    pictures = {
        "interpolation.png": between.picture(grid, marks("interpolation")),
        "interpolation.gif": between.animation(grid, marks("interpolation")),
    }
    for name in conditions:
        rows = between.between_conditions(graph, seed, pairs, conditions)
        pictures[f"{name}s.png"] = between.picture(rows, marks(f"{name}s"))
    files = _write(out, pictures)
    if project and source.trained_by:
        run = runs.open_run(connect(project), source.trained_by)
        for file in files:
            run.artifact(file, "interpolation")
    report.advance(title, 1, 1)
    return Interpolation(model=source.origin, seed=seed, pairs=pairs, frames=frames, files=files)


def _packet(mark: MarkConfig, model_sha256: str, seed: int, name: str) -> str:
    return packet_of_models(mark, [model_sha256], f"{seed}-{name}")


def _require(pairs: int, frames: int) -> None:
    for name, value, least in (("pairs", pairs, 1), ("frames", frames, 2)):
        if not least <= value <= _MOST:
            raise BadInput(f"{name} must be between {least} and {_MOST}, not {value}.")


def _write(out: Path, pictures: Mapping[str, bytes]) -> tuple[Path, ...]:
    require_writable(out)
    for name, data in pictures.items():
        write_bytes(out / name, data)
    return tuple(out / name for name in pictures)
