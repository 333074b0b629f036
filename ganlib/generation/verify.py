"""Is a folder of generated images what its manifest says?"""

from __future__ import annotations

from pathlib import Path

from ganlib.config import Frozen
from ganlib.errors import BadInput
from ganlib.files import sha256_bytes
from ganlib.generation import manifest as manifests
from ganlib.generation.lock import LOCK
from ganlib.generation.manifest import Manifest, file_name, shard_name
from ganlib.generation.png import END
from ganlib.generation.shards import SUMS, combine, read_sums
from ganlib.progress import Report, silent


class Verification(Frozen):
    """What is wrong with a folder; names are relative to it, a folder's ends with ``/``."""

    images: int
    """How many there should be."""
    complete: bool
    """Whether the job says that it finished."""
    missing: tuple[str, ...]
    altered: tuple[str, ...]
    truncated: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all is there, unchanged, and nothing else is."""
        return self.complete and not (self.missing or self.altered or self.truncated or self.extra)

    def summary(self) -> str:
        """One line if all is well, else a line a problem."""
        if self.ok:
            return f"all of {self.images:,} images are there, unchanged."
        lines = [] if self.complete else ["the job has not finished: run the same `ganlib generate` again."]
        for kind in ("missing", "altered", "truncated", "extra"):
            lines += [f"{kind}: {name}" for name in getattr(self, kind)]
        return "\n".join(lines)


def verify(out: Path, report: Report = silent) -> Verification:
    """Compare every file under ``out`` with the manifest there.

    Raises:
        BadInput: there is no manifest, or it is damaged.
    """
    manifest = manifests.read(out)
    if manifest is None:
        raise BadInput(f"{out} has no {manifests.FILE}: not a folder of generated images.")
    found = _Findings()
    for shard in range(manifest.shard_count):
        _check_shard(out, manifest, shard, found)
        report("verify", manifest.images(shard).stop, manifest.count)
    if manifest.complete and not found.any() and manifest.digest != combine(found.digests):
        found.altered.append(manifests.FILE)
    ours = {manifests.FILE, LOCK, *(shard_name(shard) for shard in range(manifest.shard_count))}
    found.extra += _others(out, out, ours)
    return Verification(
        images=manifest.count,
        complete=manifest.complete,
        missing=tuple(found.missing),
        altered=tuple(found.altered),
        truncated=tuple(found.truncated),
        extra=tuple(found.extra),
    )


class _Findings:
    def __init__(self) -> None:
        self.missing, self.altered, self.truncated, self.extra = (
            list[str](),
            list[str](),
            list[str](),
            list[str](),
        )
        self.digests = list[str]()

    def any(self) -> bool:
        return bool(self.missing or self.altered or self.truncated)


def _check_shard(out: Path, manifest: Manifest, shard: int, found: _Findings) -> None:
    folder = out / shard_name(shard)
    if not folder.is_dir():
        found.missing.append(f"{folder.name}/")
        return
    sums = _check_sums(folder, manifest, shard, found)
    names = [file_name(index) for index in manifest.images(shard)]
    for name in names:
        _check_file(out, folder / name, sums.get(name), found)
    found.extra += _others(out, folder, {*names, SUMS})


def _check_sums(folder: Path, manifest: Manifest, shard: int, found: _Findings) -> dict[str, str]:
    """The shard's digests by file name. A damaged list is a finding, and is used as it is."""
    sums = read_sums(folder)
    name = f"{folder.name}/{SUMS}"
    if sums is None:
        (found.altered if (folder / SUMS).exists() else found.missing).append(name)
    elif manifest.complete and combine(sums.values()) != manifest.shards[shard].sha256:
        found.altered.append(name)
    return sums or {}


def _check_file(out: Path, file: Path, digest: str | None, found: _Findings) -> None:
    name = file.relative_to(out).as_posix()
    try:
        data = file.read_bytes()
    except OSError:
        found.missing.append(name)
        return
    actual = sha256_bytes(data)
    if not data.endswith(END):
        found.truncated.append(name)
    elif digest is not None and actual != digest:
        found.altered.append(name)
    else:
        found.digests.append(actual)


def _others(out: Path, folder: Path, ours: set[str]) -> list[str]:
    """What is in ``folder`` besides ``ours``."""
    others = sorted(entry for entry in folder.iterdir() if entry.name not in ours)
    return [entry.relative_to(out).as_posix() + ("/" if entry.is_dir() else "") for entry in others]
