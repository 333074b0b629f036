"""Batch generation: any number of images as files, exactly once, resumable, verifiable."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import ganlib
from ganlib.config import ANONYMOUS, CostsConfig, MarkConfig
from ganlib.core.cost import Cost, CostMeter
from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.generation import formats
from ganlib.generation.batch import card as cards
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch import shards
from ganlib.generation.batch.card import CallRecord
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.batch.verify import Verification, verify
from ganlib.generation.conditions import Condition
from ganlib.generation.credentials import CredentialSigner
from ganlib.generation.noise import ALGORITHM, BLOCK
from ganlib.generation.sampling import SamplingRequest
from ganlib.generation.session import ImageBlock, OnnxModel
from ganlib.generation.spec import BatchSpec, require_positive, require_range
from ganlib.generation.storage import Where, locate
from ganlib.generation.storage.base import Storage, require_few

__all__ = ["Manifest", "Verification", "generate", "open_batch", "verify"]

_REPORT_EVERY = 256


@dataclass
class OpenBatch:
    """A job under way in this process, which holds its lock."""

    storage: Storage
    manifest: Manifest
    request: SamplingRequest
    missing: list[int]
    """Numbers of the shards that are to be made, sorted."""
    finished: bool
    """There was nothing to do."""
    prices: CostsConfig = field(default_factory=CostsConfig)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    meter: CostMeter = field(default_factory=CostMeter)
    """Of this process, since it began."""
    call: CallRecord | None = None
    """What this call took; None: it is not finished, or there was nothing to do."""

    def finish(self, cpu_seconds: float = 0.0) -> Manifest:
        """Write card and manifest once all shards are there.

        ``cpu_seconds`` are what other processes spent on the shards.
        """
        if self.finished:
            return self.manifest
        self.storage.sweep()  # a worker that was killed in mid-shard leaves its part
        entries, digest = shards.record(self.storage, self.manifest)
        manifest = self.manifest.model_copy(update={"complete": True, "shards": entries, "digest": digest})
        images = sum(len(manifest.images(shard)) for shard in self.missing)
        cost = self.meter.close() + Cost(cpu_seconds=cpu_seconds)
        self.call = cards.run(self.began, cost, images, manifest.provider, self.prices)
        cards.write(self.storage, manifest, self.call)
        self.storage.write(manifests.FILE, manifests.encoded(manifest))
        return manifest


def generate(
    model: OnnxModel,
    *,
    out: Where,
    count: int,
    seed: int,
    shard_size: int,
    batch_size: int | None = None,
    threads: int | None = None,
    start: int = 0,
    file_format: str = "png",
    condition: Condition | None = None,
    truncation: float = 1.0,
    mark: MarkConfig | None = ANONYMOUS,
    signer: CredentialSigner | None = None,
    origin: Mapping[str, Any] | None = None,
    report: Report = silent,
) -> Manifest:
    """Make images ``start`` to ``start + count - 1`` of ``seed`` in shards under ``out``.

    As PNG files these are ``out/shard-00000/00000000.png`` and so on; :mod:`ganlib.generation.formats` has the others.

    A shard appears whole or not at all. Called again for the same job, it keeps the shards that are whole,
    makes the missing and the damaged ones, and ends with the same bytes as a call that was never interrupted.

    Args:
        model: the opened graph.
        out: a folder (or a URL such as ``s3://bucket/folder``) that is absent, empty, or holds an earlier part of the
            same job.
        count: how many images, at least 1.
        seed: 0 to 2**64 - 1.
        shard_size: images a shard, at least 1; decides files and folders, not images.
        batch_size: images worked on at once; decides memory and speed, not images.
        threads: blocks of 64 worked on at once; decides speed, not images.
        start: number of the first image: what a job of as many images has made already, to extend it.
        file_format: of the shards.
        condition: what to ask of a conditional model; None: drawn from the seed.
        truncation: what the noise is multiplied by, above 0 and at most 1.
        mark: what to tell others' readers of each image; None: nothing. A job that was begun without goes on so.
        signer: gives each PNG file content credentials; None: they have none.
        origin: how the model was named, for the manifest; kept from the first call if the job is resumed.
        report: told of progress.

    Raises:
        BadInput: a number out of range, ``out`` cannot be written, holds something else or another job (the
            differences are listed), or a job begun with other versions of the parts that decide bytes.
        NoSpace: the file system cannot hold the images; nothing was started. If it fills up later, whole
            shards stay.
        Unavailable: another process is at work in ``out``, or the store behind a URL does not answer.
    """
    require_positive(count=count, shard_size=shard_size, batch_size=1 if batch_size is None else batch_size)
    with open_batch(
        model, out=out, count=count, seed=seed, shard_size=shard_size, start=start, file_format=file_format,
        condition=condition, truncation=truncation, mark=mark, signer=signer, origin=origin, report=report,
    ) as job:  # fmt: skip
        parts = (job.manifest, job.request, job.storage, job.missing)
        make(model, *parts, batch_size, threads, signer=signer, report=report)
        return job.finish()


@contextmanager
def open_batch(
    model: OnnxModel,
    *,
    out: Where,
    count: int,
    seed: int,
    shard_size: int,
    start: int = 0,
    file_format: str = "png",
    condition: Condition | None = None,
    truncation: float = 1.0,
    mark: MarkConfig | None = ANONYMOUS,
    signer: CredentialSigner | None = None,
    origin: Mapping[str, Any] | None = None,
    prices: CostsConfig | None = None,
    report: Report = silent,
) -> Iterator[OpenBatch]:
    """The job of :func:`generate`, checked and under its lock: whoever calls makes the missing shards, and finishes it.

    Arguments and errors are those of :func:`generate`; its card has an amount by ``prices``.
    """
    require_positive(count=count, shard_size=shard_size)
    require_range(start, count)
    request = model.request(seed, condition, truncation)
    request.condition.require(start + count)
    job = BatchSpec(
        model_sha256=model.sha256,
        seed=seed,
        count=count,
        shard_size=shard_size,
        block=BLOCK,
        noise=ALGORITHM,
        condition=request.condition.record,
        provider=model.provider,
        start=start,
        file_format=formats.require(file_format),
        truncation=truncation,
        dataset=model.spec,
        mark=mark,
        metadata=bool(formats.load(file_format).metadata),
        signed=signer is not None,
    )
    storage = locate(out)
    _earlier(storage, job)  # before anything is created or locked: what is refused is left as it was
    need = _require_room(storage, job, signer.more_bytes if signer else 0)
    storage.prepare()
    with storage.locked(), storage.explained(need):
        earlier = _earlier(storage, job)
        storage.sweep()
        missing = _missing(storage, job, report)
        if earlier and earlier.complete and not missing:
            yield OpenBatch(storage, earlier, request, [], finished=True)
            return
        manifest = _begin(storage, job, model, origin or {}, earlier)
        batch = OpenBatch(storage, manifest, request, missing, finished=False, prices=prices or CostsConfig())
        try:
            yield batch
        finally:
            batch.meter.close()


def _earlier(storage: Storage, job: BatchSpec) -> Manifest | None:
    """The manifest of an earlier part of ``job``; ``None`` if the folder is new.

    Raises:
        BadInput: it is no folder, or is someone else's.
    """
    manifest = manifests.of_job(storage)
    if manifest is None:
        return None
    later = {"metadata": manifest.metadata, "mark": manifest.mark and job.mark}
    differences = manifest.differences(job.model_copy(update=later))  # what came later it does without, as it was begun
    if differences:
        raise BadInput(
            f"{storage} holds another job: {'; '.join(differences)}. Nothing was changed; choose another folder."
        )
    return manifest


def _require_room(storage: Storage, job: BatchSpec, more: int) -> int:
    """Check that there is room for what is still to be made, with ``more`` an image; the bytes, by a cautious guess."""
    form = formats.load(job.file_format)
    need = storage.require_room(
        images=job.count,
        shard_size=job.shard_size,
        image_bytes=form.image_bytes(job.dataset) + more,
        shard_bytes=form.shard_bytes,
        files=(form.files_per_image, form.files_per_shard),
    )
    require_few(job.shard_count)
    return need


def _missing(storage: Storage, job: BatchSpec, report: Report) -> list[int]:
    """Shards that are absent or damaged."""
    missing, there = [], {name.rstrip("/") for name in storage.names()}
    for shard in range(job.shard_count):
        if shards.location(job, shard) not in there:
            missing.append(shard)
            continue
        if not shards.is_whole(storage, job, shard):
            missing.append(shard)
        report.advance("check what is there", shard + 1, job.shard_count)
    return missing


def _begin(
    storage: Storage, job: BatchSpec, model: OnnxModel, origin: Mapping[str, Any], earlier: Manifest | None
) -> Manifest:
    """The manifest of a job under way, where it is kept.

    Raises:
        BadInput: the job was begun with other versions, whose files these would not equal byte for byte.
    """
    if earlier:
        require_versions(earlier, storage)
        manifest = earlier.model_copy(update={"complete": False, "shards": (), "digest": None})
    else:
        manifest = Manifest(
            **job.model_dump(),
            model_metadata=model.metadata,
            origin=dict(origin),
            ganlib=ganlib.__version__,
            versions=formats.versions(job.file_format),
        )
        storage.create(manifests.FILE, manifests.encoded(manifest))
    if earlier and manifest != earlier:
        storage.write(manifests.FILE, manifests.encoded(manifest))
    return manifest


def require_versions(manifest: Manifest, out: Storage) -> None:
    """Raise :class:`BadInput` unless the job in ``out`` was begun with the versions that are installed here."""
    began = manifest.versions
    changes = [
        f"{name} {began.get(name)}, now {version}"
        for name, version in formats.versions(manifest.file_format).items()
        if version != began.get(name) and (name in began or name != "architecture")  # which older jobs do not say
    ]
    if changes:
        raise BadInput(
            f"the job in {out} was begun with {'; '.join(changes)}: its images could differ. "
            "What is there was kept; finish it with those versions or choose another folder."
        )


def make(
    model: OnnxModel,
    job: Manifest,
    request: SamplingRequest,
    storage: Storage,
    missing: Sequence[int],
    batch_size: int | None = None,
    threads: int | None = None,
    *,
    token: str = "",
    signer: CredentialSigner | None = None,
    report: Report = silent,
) -> None:
    """Write the shards ``missing`` (sorted), over what is there of them. Call it while the job's lock is held.

    Noise and inference run ahead in threads while this one encodes and writes; uploads go on beside both.

    Raises:
        GanlibError: the manifest has digests already, and a shard comes out differently; it stays as it was.
    """
    total, done, began = sum(len(job.images(shard)) for shard in missing), 0, time.monotonic()
    for first, last in stretches(missing):
        # One stream over neighbouring shards, so that a block that two of them share is computed once.
        start, stop = job.images(first).start, job.images(last).stop
        blocks = model.blocks(request, start, stop, batch_size, threads)
        for shard, pieces in groupby(_pieces(blocks, job), key=itemgetter(0)):
            digest = (job.shards[shard].unsigned_sha256 or job.shards[shard].sha256) if job.complete else None
            with shards.new_shard(storage, job, shard, sha256=digest, token=token, signer=signer) as add:
                for _, block in pieces:
                    add(block)
                    before, done = done, done + len(block.images)
                    if done // _REPORT_EVERY > before // _REPORT_EVERY:
                        report.advance("generate", done, total, {"images/s": done / (time.monotonic() - began)})
    storage.flush()
    if total:
        report.advance("generate", total, total, {"images/s": total / (time.monotonic() - began)})


def _pieces(blocks: Iterable[ImageBlock], job: BatchSpec) -> Iterator[tuple[int, ImageBlock]]:
    """``blocks``, cut where a shard ends, each with its shard."""
    for block in blocks:
        at = block.first
        while at < block.stop:
            shard = job.shard_of(at)
            stop = min(job.images(shard).stop, block.stop)
            yield shard, block.cut(at, stop)
            at = stop


def stretches(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each stretch of consecutive ``numbers``, which are sorted."""
    for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        stretch = [number for _, number in group]
        yield stretch[0], stretch[-1]
