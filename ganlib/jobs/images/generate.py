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

from ganlib.config import ANONYMOUS, GenerateConfig, MarkConfig, Params
from ganlib.core import log_ids
from ganlib.core.cost import Cost
from ganlib.core.errors import BadInput, GanlibError
from ganlib.core.events import Remark
from ganlib.core.files import write_bytes
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.evaluation.drift import Drift
from ganlib.generation import formats
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import Manifest, OpenBatch, open_batch
from ganlib.generation.batch.batch import make as make_missing
from ganlib.generation.mark import note, packet_of_models
from ganlib.generation.pictures.contact_sheet import contact_sheet
from ganlib.generation.spec import require_range
from ganlib.generation.storage import is_url, locate
from ganlib.jobs.images.call import write_down
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.models import Model, fetch_to_use
from ganlib.registry.version import Version

if TYPE_CHECKING:
    from ganlib.generation.credentials import CredentialSigner
    from ganlib.generation.sampling import SamplingRequest
    from ganlib.generation.session import OnnxModel

_ON_GRID, _COLUMNS = 100, 10


class BatchResult(Record):
    """A finished job."""

    manifest: Manifest
    quality: Drift | None = None
    """What the judge says of a sample; None: it was not asked."""
    cost: Cost = Cost()
    """Of this call alone, without the judge's look; nothing where all was there."""


@dataclass(frozen=True)
class BatchWithModel:
    """A job under way and its model."""

    job: OpenBatch
    source: Model
    model: OnnxModel


@log_ids.scope()
def generate(
    project: Project | None,
    params: Params | None,
    model: str,
    request: GenerateRequest,
    *,
    signer: CredentialSigner | None = None,
    report: Report = silent,
) -> BatchResult:
    """Make the images of ``request`` with ``model``; what is there and whole is kept.

    Image i depends only on (model sha256, seed, i) and on what is asked of the model. With an ``.onnx`` file or
    ``pretrained:NAME`` as ``model``, neither project nor registry is needed. A ``signer`` gives each PNG file content
    credentials.

    Raises:
        BadInput: a count below one, no such format or model, an output folder of another job or that cannot be
            written.
        GanlibError: the provider that was asked for is not the one that runs.
    """
    if signer and request.file_format != "png":
        raise BadInput(f"content credentials are for PNG files, not for {request.file_format}. Nothing was made.")
    with begin(project, params, model, request, report, signer=signer) as batch:
        job, threads, batch_size = batch.job, None, request.batch_size
        if batch_size is None:
            threads, batch_size = _tuned(project, batch, report)
        make_missing(
            *(batch.model, job.manifest, job.request, job.storage, job.missing, batch_size, threads),
            signer=signer,
            report=report,
        )
        manifest = job.finish()
    return finish(project, params, request, batch, manifest, report)


@contextmanager
def begin(
    project: Project | None,
    params: Params | None,
    model: str,
    request: GenerateRequest,
    report: Report = silent,
    *,
    signer: CredentialSigner | None = None,
) -> Iterator[BatchWithModel]:
    """Open the batch of :func:`generate`, checked and under its lock, for a caller that has shards made elsewhere."""
    request.require()
    defaults = params.generate if params else GenerateConfig()
    count = defaults.count if request.count is None else request.count
    require_range(request.start, count)
    source, graph = _resolve(project, params, model, request)
    log_ids.note(run_id=source.trained_by, model_version=source.version.uri if source.version else None)
    if request.check:
        _require_same_judge(project, params, graph)
    sampling = _sampling(graph, request, defaults)
    with open_batch(
        graph,
        condition=sampling.condition,
        truncation=sampling.truncation,
        mark=_mark(params, report),
        signer=signer,
        out=locate(request.out),
        count=count,
        start=request.start,
        file_format=formats.require(request.file_format),
        seed=sampling.seed,
        shard_size=defaults.shard_size if request.shard_size is None else request.shard_size,
        origin={**source.origin, "ledger": _ledger(project, source.version)},
        prices=params.costs if params else None,
        report=report,
    ) as job:
        yield BatchWithModel(job=job, source=source, model=graph)


def finish(
    project: Project | None,
    params: Params | None,
    request: GenerateRequest,
    batch: BatchWithModel,
    manifest: Manifest,
    report: Report = silent,
) -> BatchResult:
    """Draw the sheet, have the judge look at a sample, and write the call down, once all shards are there."""
    job = batch.job
    if request.grid:
        _draw_sheet(batch.model, request, manifest.count, job.request, manifest.mark or ANONYMOUS)
    version = batch.source.version
    check = request.check if request.check is not None else bool(version and version.evaluation and job.missing)
    quality = _inspect(project, params, batch, manifest, report) if check else None
    result = BatchResult(manifest=manifest, quality=quality, cost=job.call.cost if job.call else Cost())
    if project and params and version and job.call:
        drifts = bool(quality.drifted) if quality else None
        write_down(project, params, version, request.out, manifest.digest, drifts, job.call, report)
    return result


def _inspect(
    project: Project | None, params: Params | None, batch: BatchWithModel, manifest: Manifest, report: Report
) -> Drift | None:
    """What the judge says of a sample; None, and a note, where none can say anything."""
    from ganlib.jobs.measuring.quality import inspect, judge_of

    judge = judge_of(project, params, batch.model.spec)
    if isinstance(judge, str):
        report.event(Remark("generate", {"note": f"no figures: {judge}"}))
        return None
    job = batch.job
    return inspect(project, params, judge, batch.source, batch.model, manifest, job.storage, job.request, report)


def preview(
    project: Project | None, params: Params | None, model: str, request: GenerateRequest, *, report: Report = silent
) -> Path:
    """Draw the first hundred images of ``request`` on one sheet, and make nothing else.

    Returns:
        The sheet, where ``request.grid`` would have it.
    """
    request.require()
    defaults = params.generate if params else GenerateConfig()
    _, graph = _resolve(project, params, model, request)
    sampling, mark = _sampling(graph, request, defaults), _mark(params, report)
    return _draw_sheet(graph, request, request.count or defaults.count, sampling, mark, report)


def _mark(params: Params | None, report: Report) -> MarkConfig:
    """What the images' marks name; that they name nobody is said, once."""
    mark = params.mark if params else ANONYMOUS
    if text := note(mark):
        report.event(Remark("generate", {"note": text}))
    return mark


def _resolve(
    project: Project | None, params: Params | None, model: str, request: GenerateRequest
) -> tuple[Model, OnnxModel]:
    """The model that ``request`` is for, and the same opened."""
    from ganlib.generation.session import OnnxModel

    source = fetch_to_use(project, params, model)
    return source, OnnxModel(source.path, sha256=source.sha256, provider=request.provider, allow_cpu=request.allow_cpu)


def _sampling(model: OnnxModel, request: GenerateRequest, defaults: GenerateConfig) -> SamplingRequest:
    """What is asked of ``model``."""
    from ganlib.generation.conditions import choose

    seed = defaults.seed if request.seed is None else request.seed
    return model.request(seed, choose(model, request.labels, request.caption), request.truncation)


def _require_same_judge(project: Project | None, params: Params | None, model: OnnxModel) -> None:
    """Raise :class:`BadInput` unless there is a judge that can say something of the model's images."""
    from ganlib.jobs.measuring.quality import judge_of

    if isinstance(why_not := judge_of(project, params, model.spec), str):
        raise BadInput(f"--check: {why_not}. Nothing was made; leave --check out.")


def _draw_sheet(
    model: OnnxModel,
    request: GenerateRequest,
    count: int,
    sampling: SamplingRequest,
    mark: MarkConfig,
    report: Report = silent,
) -> Path:
    """The first hundred of ``count`` images on one sheet, at :func:`grid_path`."""
    images = model.draw(sampling, request.start, min(count, _ON_GRID), report)
    which = f"{sampling.seed}-{request.start}-{request.start + len(images) - 1}"
    sheet = contact_sheet(images, packet_of_models(mark, [model.sha256], which), columns=_COLUMNS)
    write_bytes(grid_path(request.out), sheet)
    return grid_path(request.out)


def make_shards(
    model: Path, request: GenerateRequest, shards: Sequence[int], threads: int | None = None, report: Report = silent
) -> float:
    """Make some shards of a job that another process has begun and holds the lock of; those that are whole are kept.

    Args:
        model: the graph, on a disk that this process sees.
        request: of the job.
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
    from ganlib.generation.conditions import recorded

    storage, began = locate(request.out), time.process_time()
    manifest = manifests.read(storage)
    if manifest is None:
        raise GanlibError(f"{request.out} has no job here: workers need the same file system, or a URL as --out.")
    require_versions(manifest, storage)
    graph = _opened(model, manifest.model_sha256, request.provider, request.allow_cpu)
    if graph.provider != manifest.provider:
        raise GanlibError(f"this worker runs {graph.provider}, and the job in {request.out} is of {manifest.provider}.")
    condition = recorded(graph, manifest.condition, request.labels)
    missing = [shard for shard in shards if not is_whole(storage, manifest, shard)]
    with storage.explained(0):
        make_missing(
            graph,
            manifest,
            graph.request(manifest.seed, condition, manifest.truncation),
            storage,
            missing,
            request.batch_size,
            threads,
            token=f".{os.getpid()}",
            report=report,
        )
    return time.process_time() - began


def grid_path(out: str) -> Path:
    """Return the sheet of the job in ``out``: beside the folder, so that the folder stays what its manifest says.

    Of a job behind a URL it is in the working folder.
    """
    name = out.rstrip("/").rpartition("/")[2]
    return Path(f"{name}-grid.png") if is_url(out) else Path(out).with_name(f"{name}-grid.png")


@lru_cache(maxsize=2)
def _opened(path: Path, sha256: str, provider: str, allow_cpu: bool) -> OnnxModel:
    """A worker makes many shards with one session."""
    from ganlib.generation.session import OnnxModel

    return OnnxModel(path, sha256=sha256, provider=provider, allow_cpu=allow_cpu)


def _tuned(project: Project | None, batch: BatchWithModel, report: Report) -> tuple[int | None, int | None]:
    """Threads and batch size for a job that is large enough to measure them first; else as the session has it."""
    from ganlib.generation.speed import autotune

    job = batch.job
    if sum(len(job.manifest.images(shard)) for shard in job.missing) < autotune.WORTHWHILE:
        return None, None
    tuning = autotune.tuned(batch.model, project.state / "cache" if project else None, report)
    return tuning.threads, tuning.batch_size


def _ledger(project: Project | None, version: Version | None) -> dict[str, JsonValue] | None:
    """The ledger's last entry that made ``version`` champion; None: none did."""
    if project is None or version is None:
        return None
    from ganlib.registry.entries import NON_MOVING
    from ganlib.registry.mlflow_ledger import Ledger
    from ganlib.tracking.store import connect

    entries = Ledger(connect(project), version.name).read().valid()
    promotions = [entry for entry in entries if entry.kind not in NON_MOVING and entry.to_version == version.version]
    return {key: getattr(promotions[-1], key) for key in ("seq", "kind", "time", "sha256")} if promotions else None
