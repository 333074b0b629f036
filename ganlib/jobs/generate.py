"""Batch generation from any model."""

from __future__ import annotations

from pathlib import Path

from ganlib.config import GenerateConfig, Params
from ganlib.files import write_bytes
from ganlib.generation import formats
from ganlib.generation.batch import Manifest, require_positive, require_range
from ganlib.generation.batch import generate as make
from ganlib.generation.sheet import contact_sheet
from ganlib.jobs.models import fetch
from ganlib.progress import Report, silent
from ganlib.project import Project

_ON_GRID, _COLUMNS = 100, 10


def generate(
    project: Project | None,
    params: Params | None,
    model: str,
    *,
    out: Path,
    count: int | None = None,
    seed: int | None = None,
    shard_size: int | None = None,
    batch_size: int | None = None,
    start: int = 0,
    file_format: str = "png",
    grid: bool = False,
    labels: str | None = None,
    caption: str | None = None,
    report: Report = silent,
) -> Manifest:
    """Make ``count`` images of ``model`` under ``out``, from number ``start`` on; what is there and whole is kept.

    Image i depends only on (model sha256, seed, i). With an ``.onnx`` file as ``model``, neither project nor registry
    is needed. ``file_format`` is one of :data:`ganlib.generation.manifest.FORMATS`. With ``grid`` the first hundred
    images are drawn on one sheet besides, at :func:`grid_path`.
    ``labels`` and ``caption`` are those of :func:`ganlib.generation.wanted.wanted`.

    Raises:
        BadInput: a count below one, no such format or model, an output folder of another job or that cannot be
            written.
    """
    from ganlib.generation.session import OnnxModel
    from ganlib.generation.wanted import wanted

    defaults = params.generate if params else GenerateConfig()
    # Before the registry is asked: a mistake here needs no server to be told.
    require_positive(**{k: v for k, v in {"count": count, "shard_size": shard_size}.items() if v is not None})
    chosen = formats.require(file_format)
    total = defaults.count if count is None else count
    require_range(start, total)
    found = fetch(project, params, model)
    opened = OnnxModel(found.path, sha256=found.sha256)
    asked = wanted(opened.contract, labels, caption)
    manifest = make(
        opened,
        wanted=asked,
        out=out,
        count=total,
        start=start,
        file_format=chosen,
        seed=defaults.seed if seed is None else seed,
        shard_size=defaults.shard_size if shard_size is None else shard_size,
        batch_size=batch_size,
        origin=found.origin,
        report=report,
    )
    if grid:
        images = opened.images(manifest.seed, start, min(total, _ON_GRID), asked)
        write_bytes(grid_path(out), contact_sheet(images, columns=_COLUMNS))
    return manifest


def grid_path(out: Path) -> Path:
    """The sheet of the job in ``out``: beside the folder, so that the folder stays what its manifest says."""
    return out.with_name(f"{out.name}-grid.png")
