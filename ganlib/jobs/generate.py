"""Batch generation from any model."""

from __future__ import annotations

from pathlib import Path

from ganlib.config import GenerateConfig, Params
from ganlib.generation.batch import Manifest, require_positive
from ganlib.generation.batch import generate as make
from ganlib.jobs.models import fetch
from ganlib.progress import Report, silent
from ganlib.project import Project


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
    labels: str | None = None,
    caption: str | None = None,
    report: Report = silent,
) -> Manifest:
    """Make ``count`` images of ``model`` under ``out``; what is already there and whole is kept.

    Image i depends only on (model sha256, seed, i). With an ``.onnx`` file as ``model``, neither project nor registry
    is needed. ``labels`` and ``caption`` are those of :func:`ganlib.generation.wanted.wanted`.

    Raises:
        BadInput: a count below one, an output folder of another job or that cannot be written, no such model.
    """
    from ganlib.generation.session import OnnxModel
    from ganlib.generation.wanted import wanted

    defaults = params.generate if params else GenerateConfig()
    # Before the registry is asked: a mistake here needs no server to be told.
    require_positive(**{k: v for k, v in {"count": count, "shard_size": shard_size}.items() if v is not None})
    found = fetch(project, params, model)
    opened = OnnxModel(found.path, sha256=found.sha256)
    return make(
        opened,
        wanted=wanted(opened.contract, labels, caption),
        out=out,
        count=defaults.count if count is None else count,
        seed=defaults.seed if seed is None else seed,
        shard_size=defaults.shard_size if shard_size is None else shard_size,
        batch_size=batch_size,
        origin=found.origin,
        report=report,
    )
