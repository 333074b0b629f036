"""Batch generation from any model."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from ganlib.config import GenerateConfig, Params
from ganlib.core.errors import GanlibError
from ganlib.core.files import write_bytes
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.evaluation.drift import Drift
from ganlib.export.runtime import require_provider
from ganlib.generation import formats
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import Manifest, OpenBatch, open_batch, require_positive, require_range
from ganlib.generation.batch.batch import make as make_missing
from ganlib.generation.pictures.contact_sheet import contact_sheet
from ganlib.generation.storage import is_url, locate
from ganlib.jobs.models import Model, fetch
from ganlib.registry.version import Version

if TYPE_CHECKING:
    from ganlib.generation.session import OnnxModel
    from ganlib.generation.wanted import Wanted

_ON_GRID, _COLUMNS = 100, 10


class GenerateRequest(Record):
    """What is asked for. None: as ``params.yaml`` has it."""

    out: str
    """A folder, or a URL such as ``s3://bucket/folder``."""
    count: int | None = None
    start: int = 0
    seed: int | None = None
    shard_size: int | None = None
    batch_size: int | None = None
    """Images worked on at once; None: as the probe finds best, for large jobs."""
    file_format: str = "png"
    """One of :func:`ganlib.generation.formats.names`."""
    labels: str | None = None
    """As :func:`ganlib.generation.wanted.wanted`, and so ``caption`` and ``truncation``."""
    caption: str | None = None
    truncation: float = 1.0
    provider: str = "cpu"
    """One of :data:`ganlib.export.runtime.PROVIDERS`."""
    allow_cpu: bool = False
    """Take the processor where the provider is not to be had."""
    grid: bool = False
    """Draw the first hundred images on one sheet besides, at :func:`grid_path`."""
    check: bool | None = None
    """Let the judge score a sample of what was written; None: if the model is a version with an evaluation."""

    def require(self) -> None:
        """Raise :class:`BadInput` for what is wrong by itself: such a mistake needs no server to be told."""
        given = {"count": self.count, "shard_size": self.shard_size, "batch_size": self.batch_size}
        require_positive(**{name: number for name, number in given.items() if number is not None})
        formats.require(self.file_format)
        require_provider(self.provider)
        require_range(self.start, self.count or 1)


class BatchResult(Record):
    """A finished job."""

    manifest: Manifest
    quality: Drift | None = None
    """What the judge says of a sample; None: it was not asked."""


@dataclass(frozen=True)
class BatchWithModel:
    """A job under way and its model."""

    job: OpenBatch
    found: Model
    model: OnnxModel


def generate(
    project: Project | None, params: Params | None, model: str, order: GenerateRequest, *, report: Report = silent
) -> BatchResult:
    """Make the images of ``order`` with ``model``; what is there and whole is kept.

    Image i depends only on (model sha256, seed, i) and on what is asked of the model. With an ``.onnx`` file as
    ``model``, neither project nor registry is needed.

    Raises:
        BadInput: a count below one, no such format or model, an output folder of another job or that cannot be
            written.
        GanlibError: the provider that was asked for is not the one that runs.
    """
    with begin(project, params, model, order, report) as opened:
        job, threads, batch_size = opened.job, None, order.batch_size
        if batch_size is None:
            threads, batch_size = _tuned(project, opened, report)
        make_missing(
            opened.model, job.manifest, job.wanted, job.storage, job.missing, batch_size, threads, report=report
        )
        manifest = job.finish()
    return finish(project, params, order, opened, manifest, report)


@contextmanager
def begin(
    project: Project | None, params: Params | None, model: str, order: GenerateRequest, report: Report = silent
) -> Iterator[BatchWithModel]:
    """The job of :func:`generate`, checked and under its lock, for a caller that has the shards made elsewhere."""
    order.require()
    defaults = params.generate if params else GenerateConfig()
    count = defaults.count if order.count is None else order.count
    require_range(order.start, count)
    found, opened, asked = _resolve(project, params, model, order)
    with open_batch(
        opened,
        wanted=asked,
        out=locate(order.out),
        count=count,
        start=order.start,
        file_format=formats.require(order.file_format),
        seed=defaults.seed if order.seed is None else order.seed,
        shard_size=defaults.shard_size if order.shard_size is None else order.shard_size,
        origin={**found.origin, "ledger": _ledger(project, found.version)},
        report=report,
    ) as job:
        yield BatchWithModel(job=job, found=found, model=opened)


def finish(
    project: Project | None,
    params: Params | None,
    order: GenerateRequest,
    opened: BatchWithModel,
    manifest: Manifest,
    report: Report = silent,
) -> BatchResult:
    """What follows once all shards are there: the sheet, and the judge's opinion of a sample."""
    if order.grid:
        _draw_sheet(opened.model, order, manifest.seed, manifest.count, opened.job.wanted, silent)
    version = opened.found.version
    asked = order.check if order.check is not None else bool(version and version.evaluation and opened.job.missing)
    if not asked:
        return BatchResult(manifest=manifest)
    from ganlib.jobs.measuring.quality import inspect

    quality = inspect(project, params, opened.found, manifest, opened.job.storage, opened.job.wanted, report)
    return BatchResult(manifest=manifest, quality=quality)


def preview(
    project: Project | None, params: Params | None, model: str, order: GenerateRequest, *, report: Report = silent
) -> Path:
    """Draw the first hundred images of ``order`` on one sheet, and make nothing else.

    Returns:
        The sheet, where ``order.grid`` would have it.
    """
    order.require()
    defaults = params.generate if params else GenerateConfig()
    _, opened, asked = _resolve(project, params, model, order)
    seed = defaults.seed if order.seed is None else order.seed
    return _draw_sheet(opened, order, seed, order.count or defaults.count, asked, report)


def _resolve(
    project: Project | None, params: Params | None, model: str, order: GenerateRequest
) -> tuple[Model, OnnxModel, Wanted]:
    """The model that ``order`` is for, opened, and what is asked of it."""
    from ganlib.generation.session import OnnxModel
    from ganlib.generation.wanted import wanted

    found = fetch(project, params, model)
    opened = OnnxModel(found.path, sha256=found.sha256, provider=order.provider, allow_cpu=order.allow_cpu)
    return found, opened, wanted(opened.contract, order.labels, order.caption, order.truncation)


def _draw_sheet(model: OnnxModel, order: GenerateRequest, seed: int, count: int, asked: Wanted, report: Report) -> Path:
    """The first hundred of ``count`` images on one sheet, at :func:`grid_path`."""
    images = model.images(seed, order.start, min(count, _ON_GRID), asked, report)
    write_bytes(grid_path(order.out), contact_sheet(images, columns=_COLUMNS))
    return grid_path(order.out)


def make_shards(
    model: Path, order: GenerateRequest, shards: Sequence[int], threads: int | None = None, report: Report = silent
) -> float:
    """Make some shards of a job that another process has begun and holds the lock of; those that are whole are kept.

    Args:
        model: the graph, on a disk that this process sees.
        order: of the job.
        shards: their numbers, sorted.
        threads: blocks worked on at once; None: one a core.
        report: told of progress.

    Returns:
        CPU seconds that it took.

    Raises:
        GanlibError: there is no such job, or this machine's model, provider or versions are not the job's.
    """
    from ganlib.generation.batch.batch import require_versions
    from ganlib.generation.batch.shards import is_whole
    from ganlib.generation.wanted import again

    storage, began = locate(order.out), time.process_time()
    manifest = manifests.read(storage)
    if manifest is None:
        raise GanlibError(f"{order.out} has no job here: workers need the same file system, or a URL as --out.")
    require_versions(manifest, storage)
    opened = _opened(model, manifest.model_sha256, order.provider, order.allow_cpu)
    if opened.provider != manifest.provider:
        raise GanlibError(f"this worker runs {opened.provider}, and the job in {order.out} is of {manifest.provider}.")
    asked = again(opened.contract, manifest.condition, order.labels, manifest.truncation)
    missing = [shard for shard in shards if not is_whole(storage, manifest, shard)]
    with storage.explained(0):
        make_missing(
            opened,
            manifest,
            asked,
            storage,
            missing,
            order.batch_size,
            threads,
            token=f".{os.getpid()}",
            report=report,
        )
    return time.process_time() - began


def grid_path(out: str) -> Path:
    """The sheet of the job in ``out``: beside the folder, so that the folder stays what its manifest says.

    Of a job behind a URL it is in the working folder.
    """
    name = out.rstrip("/").rpartition("/")[2]
    return Path(f"{name}-grid.png") if is_url(out) else Path(out).with_name(f"{name}-grid.png")


@lru_cache(maxsize=2)
def _opened(path: Path, sha256: str, provider: str, allow_cpu: bool) -> OnnxModel:
    """A worker makes many shards with one session."""
    from ganlib.generation.session import OnnxModel

    return OnnxModel(path, sha256=sha256, provider=provider, allow_cpu=allow_cpu)


def _tuned(project: Project | None, opened: BatchWithModel, report: Report) -> tuple[int | None, int | None]:
    """Threads and batch size for a job that is large enough to measure them first; else as the session has it."""
    from ganlib.generation.speed import autotune

    job = opened.job
    if sum(len(job.manifest.images(shard)) for shard in job.missing) < autotune.WORTHWHILE:
        return None, None
    found = autotune.tuned(opened.model, project.state / "cache" if project else None, report)
    return found.threads, found.batch_size


def _ledger(project: Project | None, version: Version | None) -> dict[str, JsonValue] | None:
    """The ledger's last entry that made ``version`` champion; None: none did."""
    if project is None or version is None:
        return None
    from ganlib.registry.entries import NON_MOVING
    from ganlib.registry.mlflow_ledger import Ledger
    from ganlib.tracking.store import connect

    entries = Ledger(connect(project), version.name).read().valid()
    made = [entry for entry in entries if entry.kind not in NON_MOVING and entry.to_version == version.version]
    return {key: getattr(made[-1], key) for key in ("seq", "kind", "time", "sha256")} if made else None
