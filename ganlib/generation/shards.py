"""A shard on disk: a folder of PNG files and their digests, that is there as a whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ganlib.files import sha256_bytes
from ganlib.generation.manifest import Job, Shard, file_name, shard_name

SUMS = "SHA256SUMS"  # in the form that `sha256sum --check` reads


class ShardWriter:
    """Takes a shard's files in order."""

    def __init__(self, folder: Path) -> None:
        """``folder`` exists and is empty."""
        self._folder, self._lines = folder, list[str]()

    def add(self, name: str, data: bytes) -> None:
        """Write one file."""
        (self._folder / name).write_bytes(data)
        self._lines.append(f"{sha256_bytes(data)}  {name}\n")

    def finish(self) -> None:
        """Write the digests."""
        (self._folder / SUMS).write_text("".join(self._lines))


@contextmanager
def new_shard(out: Path, shard: int) -> Iterator[ShardWriter]:
    """A writer whose files appear as ``shard`` of ``out`` at once, on success; on failure none does.

    Files are not forced to disk one by one, which would cost more than making them. A machine that loses
    power may keep a shard with empty files; its digests tell, and resuming makes it again.
    """
    final = out / shard_name(shard)
    part = out / f".{final.name}.part"
    try:
        part.mkdir()
        writer = ShardWriter(part)
        yield writer
        writer.finish()
        if final.exists():
            shutil.rmtree(final)
        part.rename(final)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def sweep(out: Path) -> None:
    """Remove what killed processes left half-made. Call it while holding the folder's lock."""
    for part in out.glob(".shard-*.part"):
        shutil.rmtree(part)
    for part in out.glob(".manifest.json.*.part"):
        part.unlink()


def is_whole(out: Path, job: Job, shard: int) -> bool:
    """Whether exactly the shard's files are there, with the content that their digests say."""
    folder = out / shard_name(shard)
    sums = read_sums(folder)
    expected = [file_name(index) for index in job.images(shard)]
    try:
        return (
            sums is not None
            and list(sums) == expected
            and {entry.name for entry in folder.iterdir()} == {*expected, SUMS}
            and all(sha256_bytes((folder / name).read_bytes()) == digest for name, digest in sums.items())
        )
    except OSError:
        return False


def read_sums(folder: Path) -> dict[str, str] | None:
    """Digest (lower-case hex) by file name, in order; ``None`` if the list is absent or not one."""
    try:
        lines = (folder / SUMS).read_text(encoding="ascii").splitlines()
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
        name, images = shard_name(shard), job.images(shard)
        sums = read_sums(out / name) or {}
        for digest in sums.values():
            total.update(bytes.fromhex(digest))
        shards.append(Shard(name=name, start=images.start, count=len(images), sha256=combine(sums.values())))
    return tuple(shards), total.hexdigest()
