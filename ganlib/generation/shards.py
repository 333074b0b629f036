"""A shard on disk: a file or a folder, and the digests of its files, that is there as a whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ganlib.errors import GanlibError
from ganlib.files import sha256_file
from ganlib.generation import formats
from ganlib.generation.formats.base import Add
from ganlib.generation.manifest import Job, Manifest, Shard, shard_name

SUMS = "SHA256SUMS"  # in the form that `sha256sum --check` reads


def location(out: Path, job: Job, shard: int) -> Path:
    """The file or folder of ``shard``."""
    return out / shard_name(shard, job.file_format)


def sums_path(out: Path, job: Job, shard: int) -> Path:
    """The list of the digests of the shard's files.

    It lies in a folder of PNG files, and beside a shard of another format, whose readers expect nothing else in it.
    """
    place = location(out, job, shard)
    return place / SUMS if job.file_format == "png" else place.with_name(f"{place.name}.sha256")


def listed(out: Path, job: Job, shard: int) -> dict[str, Path]:
    """The shard's files, by the names that they have in its list of digests (relative to the list's folder)."""
    place, base = location(out, job, shard), sums_path(out, job, shard).parent
    files = [place / name if name else place for name in formats.load(job.file_format).files(job, shard)]
    return {file.relative_to(base).as_posix(): file for file in files}


@contextmanager
def new_shard(out: Path, job: Manifest, shard: int, *, expected: str | None = None) -> Iterator[Add]:
    """Takes the images of ``shard``, which appears in ``out`` at once, on success; on failure nothing does.

    Files are not forced to disk one by one, which would cost more than making them. A machine that loses
    power may keep a shard with empty files; its digests tell, and resuming makes it again.

    Args:
        out: the job's folder.
        job: the job.
        shard: the shard's number.
        expected: what :attr:`ganlib.generation.manifest.Shard.sha256` must come to.

    Raises:
        GanlibError: it comes to something else; what was there stays.
    """
    place, sums = location(out, job, shard), sums_path(out, job, shard)
    part, sums_part = out / f".{place.name}.part", out / f".{place.name}.sha256.part"
    form, known = formats.load(job.file_format), dict[str, str]()
    try:
        with form.writing(part, job, shard, known) as add:
            yield add
        digests = [known.get(name) or sha256_file(part / name if name else part) for name in form.files(job, shard)]
        if expected is not None and combine(digests) != expected:
            raise GanlibError(
                f"{place.name} came out with other bytes than {out} was made of: this machine or its onnxruntime "
                "rounds differently, or the manifest was changed. What was there was kept; make the job anew elsewhere."
            )
        names = listed(out, job, shard)
        sums_part.write_text("".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True)))
        if sums.parent == place:
            sums_part.rename(part / SUMS)
        else:
            sums_part.replace(sums)
        if place.is_dir():
            shutil.rmtree(place)
        part.replace(place)  # last: whoever sees the shard sees all of it, and its digests
    finally:
        _remove(part)
        _remove(sums_part)


def sweep(out: Path) -> None:
    """Remove what killed processes left half-made. Call it while holding the folder's lock."""
    for pattern in (".shard-*.part", ".manifest.json.*.part"):
        for part in out.glob(pattern):
            _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_whole(out: Path, job: Job, shard: int) -> bool:
    """Whether exactly the shard's files are there, with the content that their digests say."""
    sums, files = read_sums(sums_path(out, job, shard)), listed(out, job, shard)
    try:
        return (
            sums is not None
            and list(sums) == list(files)
            and not strangers(out, job, shard)
            and all(sha256_file(files[name]) == digest for name, digest in sums.items())
        )
    except OSError:
        return False


def strangers(out: Path, job: Job, shard: int) -> list[Path]:
    """What lies within the shard's folder and does not belong there; of a stranger's folder, the folder alone."""
    place = location(out, job, shard)
    ours = {file.relative_to(place).as_posix() for file in listed(out, job, shard).values()}
    if job.file_format == "png":
        ours.add(SUMS)
    ours |= {parent.as_posix() for name in ours for parent in PurePosixPath(name).parents}
    found = [entry for entry in sorted(place.rglob("*")) if entry.relative_to(place).as_posix() not in ours]
    return [entry for entry in found if entry.parent == place or entry.parent not in found]


def read_sums(path: Path) -> dict[str, str] | None:
    """Digest (lower-case hex) by file name, in order; ``None`` if the list is absent or not one."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    pairs = [line.partition("  ") for line in lines]
    if not all(gap and len(digest) == 64 and not set(digest) - set("0123456789abcdef") for digest, gap, _ in pairs):
        return None
    return {name: digest for digest, _, name in pairs}


def combine(digests: Iterable[str]) -> str:
    """SHA-256 of the bytes of ``digests`` (hex), in order."""
    total = hashlib.sha256()
    for digest in digests:
        total.update(bytes.fromhex(digest))
    return total.hexdigest()


def record(out: Path, job: Job) -> tuple[tuple[Shard, ...], str]:
    """The records of all shards of a finished job and the digest of all files, from the shards' own lists."""
    shards, total = [], hashlib.sha256()
    for shard in range(job.shard_count):
        images = job.images(shard)
        sums = read_sums(sums_path(out, job, shard)) or {}
        for digest in sums.values():
            total.update(bytes.fromhex(digest))
        name = shard_name(shard, job.file_format)
        shards.append(Shard(name=name, start=images.start, count=len(images), sha256=combine(sums.values())))
    return tuple(shards), total.hexdigest()
