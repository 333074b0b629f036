"""Batch generation: any number of images as PNG files, exactly once, resumable, verifiable."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import ganlib
from ganlib.errors import BadInput
from ganlib.files import explained, require_space, require_writable, write_json
from ganlib.generation import manifest as manifests
from ganlib.generation import png, shards
from ganlib.generation.lock import LOCK, locked
from ganlib.generation.manifest import Job, Manifest
from ganlib.generation.noise import ALGORITHM, BLOCK, require_seed
from ganlib.generation.session import OnnxModel
from ganlib.generation.verify import Verification, verify
from ganlib.generation.wanted import Wanted
from ganlib.generation.wanted import wanted as ask
from ganlib.progress import Report, silent

__all__ = ["Manifest", "Verification", "generate", "verify"]

_PNG_BYTES = 1600  # an upper bound for one file: 28 x 28 incompressible pixels and the text chunks
_SUM_BYTES = 80  # of one file's line in its shard's list of digests
_REPORT_EVERY = 256


def generate(
    model: OnnxModel,
    *,
    out: Path,
    count: int,
    seed: int,
    shard_size: int,
    batch_size: int | None = None,
    wanted: Wanted | None = None,
    origin: Mapping[str, Any] | None = None,
    report: Report = silent,
) -> Manifest:
    """Make images 0 to ``count - 1`` of ``seed`` as ``out/shard-00000/00000000.png`` and so on.

    A shard appears whole or not at all. Called again for the same job, it keeps the shards that are whole,
    makes the missing and the damaged ones, and ends with the same bytes as a call that was never interrupted.

    Args:
        model: the opened graph.
        out: a folder that is absent, empty, or holds an earlier part of the same job.
        count: how many images, at least 1.
        seed: 0 to 2**64 - 1.
        shard_size: images a shard, at least 1; decides folders, not images.
        batch_size: images worked on at once; decides memory and speed, not images.
        wanted: what to ask of a conditional model; None: drawn uniformly, from the seed.
        origin: how the model was named, for the manifest; kept from the first call if the job is resumed.
        report: told of progress.

    Raises:
        BadInput: a number out of range, ``out`` cannot be written, holds something else or another job (the
            differences are listed), or a job begun with other versions of the parts that decide bytes.
        NoSpace: the file system cannot hold the images; nothing was started. If it fills up later, whole
            shards stay.
        Unavailable: another process is at work in ``out``.
    """
    require_positive(count=count, shard_size=shard_size, batch_size=1 if batch_size is None else batch_size)
    wanted = wanted or ask(model.contract)
    wanted.require(count)
    job = Job(
        model_sha256=model.sha256,
        seed=require_seed(seed),
        count=count,
        shard_size=shard_size,
        block=BLOCK,
        noise=ALGORITHM,
        condition=wanted.text,
        provider=model.provider,
    )
    _earlier(out, job)  # before anything is created or locked: what is refused is left as it was
    needed = _require_room(out, job)
    require_writable(out)
    with locked(out), explained(out, needed):
        earlier = _earlier(out, job)
        shards.sweep(out)
        missing = _missing(out, job, report)
        if earlier and earlier.complete and not missing:
            return earlier
        manifest = _begin(out, job, model, origin or {}, earlier)
        _make(model, manifest, wanted, out, missing, batch_size, report)
        made, digest = shards.record(out, job)
        manifest = manifest.model_copy(update={"complete": True, "shards": made, "digest": digest})
        write_json(out / manifests.FILE, manifest.model_dump(mode="json"))
    return manifest


def require_positive(**numbers: int) -> None:
    """Raise :class:`BadInput` for the first number below one."""
    for name, number in numbers.items():
        if number < 1:
            raise BadInput(f"{name.replace('_', ' ')} must be at least 1 (got {number}).")


def _earlier(out: Path, job: Job) -> Manifest | None:
    """The manifest of an earlier part of ``job`` in ``out``; ``None`` if the folder is new.

    Raises:
        BadInput: ``out`` is no folder, or is someone else's.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; the images need a folder.")
    manifest = manifests.read(out)
    if manifest is None:
        others = [entry.name for entry in out.iterdir() if not _is_scratch(entry.name)] if out.exists() else []
        if others:
            raise BadInput(
                f"{out} is not empty ({', '.join(sorted(others)[:3])}{', ...' if len(others) > 3 else ''}) "
                "and holds no job of ours; nothing was changed. Choose another folder."
            )
        return None
    differences = manifest.differences(job)
    if differences:
        raise BadInput(
            f"{out} holds another job: {'; '.join(differences)}. Nothing was changed; choose another folder."
        )
    return manifest


def _is_scratch(name: str) -> bool:
    """Whether a process of ours that was killed before its first manifest can have left ``name``."""
    return name == LOCK or (name.startswith(f".{manifests.FILE}.") and name.endswith(".part"))


def _require_room(out: Path, job: Job) -> int:
    """Check that the file system can hold what is still to be made; the bytes needed, by a cautious estimate.

    Whole allocation units are counted, of which a file of a few hundred bytes takes one.
    """
    there = out.absolute()
    while not there.exists():
        there = there.parent
    disk = os.statvfs(there)
    present = sum(1 for _ in out.glob("shard-*")) * job.shard_size
    todo = max(job.count - present, 0)
    unit = max(disk.f_frsize, 1)
    needed = todo * (-(-_PNG_BYTES // unit) * unit + _SUM_BYTES)
    require_space(out, needed)
    files = todo + 2 * -(-todo // job.shard_size)
    if disk.f_files and disk.f_favail < files:
        raise BadInput(f"no room at {out}: {files:,} files needed, the file system can hold {disk.f_favail:,} more.")
    return needed


def _missing(out: Path, job: Job, report: Report) -> list[int]:
    """Shards that are absent or damaged."""
    missing = []
    for shard in range(job.shard_count):
        if not (out / manifests.shard_name(shard)).exists():
            missing.append(shard)
            continue
        if not shards.is_whole(out, job, shard):
            missing.append(shard)
        report("check what is there", shard + 1, job.shard_count)
    return missing


def _begin(out: Path, job: Job, model: OnnxModel, origin: Mapping[str, Any], earlier: Manifest | None) -> Manifest:
    """The manifest of a job under way, on disk.

    Raises:
        BadInput: the job was begun with other versions, whose files these would not equal byte for byte.
    """
    versions = manifests.versions()
    if earlier:
        changed = [f"{name} {earlier.versions.get(name)}, now {version}" for name, version in versions.items()]
        changed = [
            text for name, text in zip(versions, changed, strict=True) if versions[name] != earlier.versions.get(name)
        ]
        if changed:
            raise BadInput(
                f"the job in {out} was begun with {'; '.join(changed)}: its images could differ. "
                "What is there was kept; finish it with those versions or choose another folder."
            )
        manifest = earlier.model_copy(update={"complete": False, "shards": (), "digest": None})
    else:
        manifest = Manifest(
            **job.model_dump(),
            model_metadata=model.metadata,
            origin=dict(origin),
            ganlib=ganlib.__version__,
            versions=versions,
        )
    if manifest != earlier:
        write_json(out / manifests.FILE, manifest.model_dump(mode="json"))
    return manifest


def _make(
    model: OnnxModel,
    job: Job,
    wanted: Wanted,
    out: Path,
    missing: list[int],
    batch_size: int | None,
    report: Report,
) -> None:
    """Write the shards ``missing``. Inference runs ahead in threads while this one encodes and writes."""
    total, done, started = sum(len(job.images(shard)) for shard in missing), 0, time.monotonic()
    for first, last in _runs(missing):
        # One stream over neighbouring shards, so that a block that two of them share is computed once.
        stream = model.stream(job.seed, job.images(first).start, job.images(last).stop, wanted, batch_size)
        for shard in range(first, last + 1):
            with shards.new_shard(out, shard) as writer:
                indices = job.images(shard)
                for index, image in zip(indices, islice(stream, len(indices)), strict=True):
                    data = png.encode(image[0], model_sha256=job.model_sha256, seed=job.seed, index=index)
                    writer.add(manifests.file_name(index), data)
                    done += 1
                    if done % _REPORT_EVERY == 0:
                        report("generate", done, total, {"images/s": done / (time.monotonic() - started)})
    if total:
        report("generate", total, total, {"images/s": total / (time.monotonic() - started)})


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each stretch of consecutive ``numbers``, which are sorted."""
    for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        stretch = [number for _, number in group]
        yield stretch[0], stretch[-1]
