"""Is a folder of generated images what its manifest says?"""

from __future__ import annotations

from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.generation import formats
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.card import BESIDE
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.batch.shards import (
    combine,
    has_images,
    listed,
    location,
    promise,
    read_sums,
    strangers,
    sums_name,
)
from ganlib.generation.storage import Where, locate
from ganlib.generation.storage.base import Storage
from ganlib.generation.storage.lock import LOCK


class Verification(Record):
    """What is wrong with a folder; names are relative to it, a folder's ends with ``/``."""

    images: int
    """How many there should be."""
    complete: bool
    """Whether the job says that it finished."""
    missing: tuple[str, ...]
    altered: tuple[str, ...]
    truncated: tuple[str, ...]
    extra: tuple[str, ...]
    damaged: tuple[int, ...]
    """Numbers of the shards that something is missing from, altered or truncated in."""

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


def verify(out: Where, report: Report = silent) -> Verification:
    """Compare every file under ``out`` (a folder, or a URL such as ``s3://bucket/folder``) with the manifest there.

    Raises:
        BadInput: there is no manifest, or it is damaged.
    """
    storage = locate(out)
    manifest = manifests.read(storage)
    if manifest is None:
        raise BadInput(f"{storage} has no {manifests.FILE}: not a folder of generated images.")
    findings = _Findings()
    for shard in range(manifest.shard_count):
        _check_shard(storage, manifest, shard, findings)
        report.advance("verify", manifest.images(shard).stop - manifest.start, manifest.count)
    if manifest.complete and not findings.any() and manifest.digest != combine(findings.digests):
        findings.altered.append(manifests.FILE)
    ours = {manifests.FILE, LOCK, *BESIDE}
    for shard in range(manifest.shard_count):
        ours |= {location(manifest, shard), sums_name(manifest, shard)}
    findings.extra += [name for name in storage.names() if name.rstrip("/") not in ours]
    return Verification(
        images=manifest.count,
        complete=manifest.complete,
        missing=tuple(findings.missing),
        altered=tuple(findings.altered),
        truncated=tuple(findings.truncated),
        extra=tuple(findings.extra),
        damaged=tuple(findings.damaged),
    )


class _Findings:
    def __init__(self) -> None:
        self.missing, self.altered, self.truncated, self.extra = (
            list[str](),
            list[str](),
            list[str](),
            list[str](),
        )
        self.damaged = list[int]()
        self.digests = list[str]()

    def any(self) -> bool:
        return self.count() > 0

    def count(self) -> int:
        return len(self.missing) + len(self.altered) + len(self.truncated)


def _check_shard(storage: Storage, manifest: Manifest, shard: int, findings: _Findings) -> None:
    before, place, files = findings.count(), location(manifest, shard), listed(manifest, shard)
    in_folder = place not in files.values()
    if in_folder and not storage.is_folder(place):
        findings.missing.append(f"{place}/")
    else:
        sums = _check_sums(storage, manifest, shard, findings)
        for name, file in files.items():
            _check_file(storage, file, manifest, sums.get(name), findings)
        if in_folder:
            findings.extra += [
                name + ("/" if storage.is_folder(name) else "") for name in strangers(storage, manifest, shard)
            ]
    if findings.count() > before:
        findings.damaged.append(shard)


def _check_sums(storage: Storage, manifest: Manifest, shard: int, findings: _Findings) -> dict[str, str]:
    """The shard's digests by file name. A damaged list is a finding, and is used as it is."""
    name = sums_name(manifest, shard)
    sums = read_sums(storage, name)
    if sums is None:
        (findings.altered if storage.exists(name) else findings.missing).append(name)
    elif manifest.complete and combine(sums.values()) != manifest.shards[shard].sha256:
        findings.altered.append(name)
    return sums or {}


def _check_file(storage: Storage, name: str, manifest: Manifest, digest: str | None, findings: _Findings) -> None:
    try:
        actual = storage.sha256(name)
        is_cut = actual != digest and formats.load(manifest.file_format).is_cut(storage, name)
    except OSError:
        findings.missing.append(name)
        return
    if is_cut:
        findings.truncated.append(name)
    elif digest is not None and actual != digest:
        findings.altered.append(name)
    elif has_images(manifest, name):
        findings.digests.append(promise(storage, manifest, name) if manifest.signed else actual)
