"""Batch generation: any number of images as files, exactly once, resumable, verifiable."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import ganlib
from ganlib.errors import BadInput
from ganlib.files import explained, require_space, require_writable, write_json
from ganlib.generation import formats, shards
from ganlib.generation import manifest as manifests
from ganlib.generation.lock import LOCK, locked
from ganlib.generation.manifest import FileFormat, Job, Manifest
from ganlib.generation.noise import ALGORITHM, BLOCK, require_seed
from ganlib.generation.session import Drawn, OnnxModel
from ganlib.generation.verify import Verification, verify
from ganlib.generation.wanted import Wanted
from ganlib.generation.wanted import wanted as ask
from ganlib.progress import Report, silent

__all__ = ["Manifest", "Verification", "generate", "verify"]

_REPORT_EVERY = 256
_LAST = 2**63  # image numbers are int64 in files


def generate(
    model: OnnxModel,
    *,
    out: Path,
    count: int,
    seed: int,
    shard_size: int,
    batch_size: int | None = None,
    start: int = 0,
    file_format: FileFormat = "png",
    wanted: Wanted | None = None,
    origin: Mapping[str, Any] | None = None,
    report: Report = silent,
) -> Manifest:
    """Make images ``start`` to ``start + count - 1`` of ``seed`` in shards under ``out``.

    As PNG files these are ``out/shard-00000/00000000.png`` and so on; :mod:`ganlib.generation.formats` has the others.

    A shard appears whole or not at all. Called again for the same job, it keeps the shards that are whole,
    makes the missing and the damaged ones, and ends with the same bytes as a call that was never interrupted.

    Args:
        model: the opened graph.
        out: a folder that is absent, empty, or holds an earlier part of the same job.
        count: how many images, at least 1.
        seed: 0 to 2**64 - 1.
        shard_size: images a shard, at least 1; decides files and folders, not images.
        batch_size: images worked on at once; decides memory and speed, not images.
        start: number of the first image: what a job of as many images has made already, to extend it.
        file_format: of the shards.
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
    require_range(start, count)
    wanted.require(start + count)
    job = Job(
        model_sha256=model.sha256,
        seed=require_seed(seed),
        count=count,
        shard_size=shard_size,
        block=BLOCK,
        noise=ALGORITHM,
        condition=wanted.text,
        provider=model.provider,
        start=start,
        file_format=formats.require(file_format),
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
        make(model, manifest, wanted, out, missing, batch_size, report)
        made, digest = shards.record(out, job)
        manifest = manifest.model_copy(update={"complete": True, "shards": made, "digest": digest})
        write_json(out / manifests.FILE, manifest.model_dump(mode="json"))
    return manifest


def require_positive(**numbers: int) -> None:
    """Raise :class:`BadInput` for the first number below one."""
    for name, number in numbers.items():
        if number < 1:
            raise BadInput(f"{name.replace('_', ' ')} must be at least 1 (got {number}).")


def require_range(start: int, count: int) -> None:
    """Raise :class:`BadInput` unless ``start`` to ``start + count - 1`` are numbers of images."""
    if start < 0 or start + count > _LAST:
        raise BadInput(f"start must be at least 0, and start + count at most {_LAST:,} (got {start:,} + {count:,}).")


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

    Whole allocation units are counted, of which a PNG file of a few hundred bytes takes one.
    """
    there = out.absolute()
    while not there.exists():
        there = there.parent
    disk = os.statvfs(there)
    # A shard that is a file has its list of digests beside it, which is not to be counted.
    present = sum(entry.suffix != ".sha256" for entry in out.glob("shard-*")) * job.shard_size
    todo = max(job.count - present, 0)
    form, todo_shards = formats.load(job.file_format), -(-todo // job.shard_size)
    unit = max(disk.f_frsize, 1) if job.file_format == "png" else 1
    needed = todo * -(-form.image_bytes // unit) * unit
    if job.file_format != "png":
        needed += todo_shards * form.shard_bytes
    require_space(out, needed)
    # With the shard, its list of digests and the folders of Zarr's arrays.
    files = todo + 2 * todo_shards if job.file_format == "png" else 30 * todo_shards
    if disk.f_files and disk.f_favail < files:
        raise BadInput(f"no room at {out}: {files:,} files needed, the file system can hold {disk.f_favail:,} more.")
    return needed


def _missing(out: Path, job: Job, report: Report) -> list[int]:
    """Shards that are absent or damaged."""
    missing = []
    for shard in range(job.shard_count):
        if not shards.location(out, job, shard).exists():
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
    if earlier:
        require_versions(earlier, out)
        manifest = earlier.model_copy(update={"complete": False, "shards": (), "digest": None})
    else:
        manifest = Manifest(
            **job.model_dump(),
            model_metadata=model.metadata,
            origin=dict(origin),
            ganlib=ganlib.__version__,
            versions=formats.versions(job.file_format),
        )
    if manifest != earlier:
        write_json(out / manifests.FILE, manifest.model_dump(mode="json"))
    return manifest


def require_versions(manifest: Manifest, out: Path) -> None:
    """Raise :class:`BadInput` unless the job in ``out`` was begun with the versions that are installed here."""
    began = manifest.versions
    changed = [
        f"{name} {began.get(name)}, now {version}"
        for name, version in formats.versions(manifest.file_format).items()
        if version != began.get(name)
    ]
    if changed:
        raise BadInput(
            f"the job in {out} was begun with {'; '.join(changed)}: its images could differ. "
            "What is there was kept; finish it with those versions or choose another folder."
        )


def make(
    model: OnnxModel,
    job: Manifest,
    wanted: Wanted,
    out: Path,
    missing: Sequence[int],
    batch_size: int | None = None,
    report: Report = silent,
) -> None:
    """Write the shards ``missing`` (sorted), over what is there of them. Call it while holding the folder's lock.

    Inference runs ahead in threads while this one encodes and writes.

    Raises:
        GanlibError: the manifest has digests already, and a shard comes out differently; it stays as it was.
    """
    total, done, began = sum(len(job.images(shard)) for shard in missing), 0, time.monotonic()
    for first, last in _runs(missing):
        # One stream over neighbouring shards, so that a block that two of them share is computed once.
        blocks = model.blocks(job.seed, job.images(first).start, job.images(last).stop, wanted, batch_size)
        for shard, pieces in groupby(_pieces(blocks, job), key=itemgetter(0)):
            expected = job.shards[shard].sha256 if job.complete else None
            with shards.new_shard(out, job, shard, expected=expected) as add:
                for _, drawn in pieces:
                    add(drawn)
                    before, done = done, done + len(drawn.images)
                    if done // _REPORT_EVERY > before // _REPORT_EVERY:
                        report("generate", done, total, {"images/s": done / (time.monotonic() - began)})
    if total:
        report("generate", total, total, {"images/s": total / (time.monotonic() - began)})


def _pieces(blocks: Iterable[Drawn], job: Job) -> Iterator[tuple[int, Drawn]]:
    """``blocks``, cut where a shard ends, each with its shard."""
    for drawn in blocks:
        at = drawn.first
        while at < drawn.stop:
            shard = job.shard_of(at)
            stop = min(job.images(shard).stop, drawn.stop)
            yield shard, drawn.cut(at, stop)
            at = stop


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each stretch of consecutive ``numbers``, which are sorted."""
    for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        stretch = [number for _, number in group]
        yield stretch[0], stretch[-1]
