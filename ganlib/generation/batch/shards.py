"""A shard where it is kept: a file or a folder, and the digests of its files, there as a whole or not at all."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ganlib.core.errors import GanlibError
from ganlib.core.files import sha256_bytes, sha256_file
from ganlib.generation import formats
from ganlib.generation.batch.manifest import Manifest, Shard
from ganlib.generation.credentials import CredentialSigner, without_credentials
from ganlib.generation.formats.base import Add
from ganlib.generation.spec import BatchSpec
from ganlib.generation.storage import Where, locate
from ganlib.generation.storage.base import Storage, remove

_HEX = set(string.hexdigits.lower())
SUMS = "SHA256SUMS"  # in the form that `sha256sum --check` reads


def location(job: BatchSpec, shard: int) -> str:
    """The file or folder of ``shard``."""
    return formats.load(job.file_format).shard_name(shard)


def sums_name(job: BatchSpec, shard: int) -> str:
    """The list of the digests of the shard's files.

    It lies in a folder of PNG files, and beside a shard of another format, whose readers expect nothing else in it.
    """
    place = location(job, shard)
    return f"{place}/{SUMS}" if formats.load(job.file_format).sums_inside else f"{place}.sha256"


def listed(job: BatchSpec, shard: int) -> dict[str, str]:
    """The shard's files, by the names that they have in its list of digests (relative to the list's folder)."""
    place = location(job, shard)
    files = [f"{place}/{name}" if name else place for name in formats.load(job.file_format).files(job, shard)]
    base = f"{place}/" if formats.load(job.file_format).sums_inside else ""
    return {file.removeprefix(base): file for file in files}


def has_images(job: BatchSpec, file: str) -> bool:
    """Whether ``file`` counts in the job's digest: metadata do not, which are cut differently for each shard size."""
    return file.rpartition("/")[2] != formats.load(job.file_format).metadata


@contextmanager
def new_shard(
    storage: Storage,
    job: Manifest,
    shard: int,
    *,
    sha256: str | None = None,
    token: str = "",
    signer: CredentialSigner | None = None,
) -> Iterator[Add]:
    """Takes the images of ``shard``, which appears in ``storage`` at once, on success; on failure nothing does.

    Files are not forced to disk one by one, which would cost more than making them. A machine that loses
    power may keep a shard with empty files; its digests tell, and resuming makes it again.

    Args:
        storage: of the job.
        job: the job.
        shard: the shard's number.
        sha256: what the digests of its files must come to, before they are signed.
        token: part of the scratch names, where several processes work on one job.
        signer: gives each file content credentials, if the job is one of signed files.

    Raises:
        GanlibError: it comes to something else; what was there stays.
    """
    place, sums, scratch = location(job, shard), sums_name(job, shard), storage.scratch()
    part, sums_part = scratch / f".{place}{token}.part", scratch / f".{place}{token}.sha256.part"
    form, sums_in_shard = formats.load(job.file_format), dict[str, str]()
    try:
        with form.writing(part, job, shard, sums_in_shard) as add:
            yield add
        digests = [
            sums_in_shard.get(name) or sha256_file(part / name if name else part) for name in form.files(job, shard)
        ]
        if sha256 is not None and combine(digests) != sha256:
            raise GanlibError(
                f"{place} came out with other bytes than {storage} was made of: this machine or its onnxruntime "
                "rounds differently, or the manifest was changed. What was there was kept; make the job anew elsewhere."
            )
        if signer is not None:
            digests = _sign(part, job, shard, signer)
        names = listed(job, shard)
        sums_part.write_text("".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True)))
        storage.publish(part, place, sums_part, sums)
    finally:
        remove(part)
        remove(sums_part)


def _sign(part: Path, job: BatchSpec, shard: int, signer: CredentialSigner) -> list[str]:
    """Put credentials into the PNG files of a shard that is being made; the digests of all of its files then."""
    numbers, digests = iter(job.images(shard)), []
    for name in formats.load(job.file_format).files(job, shard):
        data = (part / name).read_bytes()
        if has_images(job, name):
            data = signer.sign(data, job.model_sha256, job.seed, next(numbers), title=name)
            (part / name).write_bytes(data)
        digests.append(sha256_bytes(data))
    return digests


def promise(storage: Storage, job: BatchSpec, file: str) -> str:
    """Return the digest of what is the same of ``file`` whoever makes it: all of it but for content credentials."""
    if job.signed and has_images(job, file):
        return sha256_bytes(without_credentials(storage.read(file)))
    return storage.sha256(file)


def is_whole(out: Where, job: BatchSpec, shard: int) -> bool:
    """Whether exactly the shard's files are there, with the content that their digests say."""
    storage = locate(out)
    sums, files = read_sums(storage, sums_name(job, shard)), listed(job, shard)
    try:
        return (
            sums is not None
            and list(sums) == list(files)
            and not strangers(storage, job, shard)
            and all(storage.sha256(files[name]) == digest for name, digest in sums.items())
        )
    except OSError:
        return False


def strangers(storage: Storage, job: BatchSpec, shard: int) -> list[str]:
    """What lies within the shard's folder and does not belong there; of a stranger's folder, the folder alone."""
    place = location(job, shard)
    ours = {file.removeprefix(f"{place}/") for file in listed(job, shard).values()}
    if formats.load(job.file_format).sums_inside:
        ours.add(SUMS)
    elif ours == {place}:  # a file has no inside
        return []
    ours |= {parent.as_posix() for name in ours for parent in PurePosixPath(name).parents}
    names = [name for name in storage.inside(place) if name not in ours]
    return [f"{place}/{name}" for name in names if PurePosixPath(name).parent.as_posix() not in names]


def read_sums(storage: Storage, name: str) -> dict[str, str] | None:
    """Digest (lower-case hex) by file name, in order; ``None`` if the list is absent or not one."""
    try:
        lines = storage.read(name).decode("ascii").splitlines()
    except (OSError, ValueError):
        return None
    pairs = [line.partition("  ") for line in lines]
    if not all(gap and len(digest) == 64 and not set(digest) - _HEX for digest, gap, _ in pairs):
        return None
    return {name: digest for digest, _, name in pairs}


def combine(digests: Iterable[str]) -> str:
    """SHA-256 of the bytes of ``digests`` (hex), in order."""
    total = hashlib.sha256()
    for digest in digests:
        total.update(bytes.fromhex(digest))
    return total.hexdigest()


def record(storage: Storage, job: BatchSpec) -> tuple[tuple[Shard, ...], str]:
    """The records of all shards of a finished job and the digest of all their images, from the shards' own lists."""
    shards, total = [], hashlib.sha256()
    for shard in range(job.shard_count):
        images = job.images(shard)
        sums = read_sums(storage, sums_name(job, shard)) or {}
        digests = {file: promise(storage, job, file) for file in listed(job, shard).values()} if job.signed else sums
        for name, digest in digests.items():
            if has_images(job, name):
                total.update(bytes.fromhex(digest))
        shards.append(
            Shard(
                name=location(job, shard),
                start=images.start,
                count=len(images),
                sha256=combine(sums.values()),
                unsigned_sha256=combine(digests.values()) if job.signed else None,
                provider=job.provider,
            )
        )
    return tuple(shards), total.hexdigest()
