"""Which versions may go, what that frees, and which files under the artifact root nobody refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlparse

from ganlib.core.record import Record
from ganlib.registry.logged_models import MODELS
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.reconcile import APPROVE
from ganlib.registry.registry import Listing, Registry, alias_lock
from ganlib.tracking.store import MlflowStore

_SIBLING = "sibling"
"""In the key of a tag that links a version to another: both stay, whichever side the link is on."""


class VersionInUse(Record):
    """One version: why it stays, or what its removal frees."""

    version: int
    family: str | None
    fid: float | None
    created: str
    kept: tuple[str, ...]
    """Reasons to keep it; empty: it may go."""
    bytes: int
    """Of its model in the artifact store; what its run has logged stays."""


class Orphan(Record):
    """Files that no run and no model refers to."""

    path: Path
    files: int
    bytes: int


class PruneReport(Record):
    """What was found, and what was done about it."""

    dry_run: bool
    versions: tuple[VersionInUse, ...]
    """Newest first."""
    orphans: tuple[Orphan, ...]
    unseen: tuple[str, ...]
    """Artifact roots that are not folders of this machine, and were not looked through for orphans."""

    @property
    def freed(self) -> int:
        """Bytes of the versions that may go."""
        return sum(each.bytes for each in self.versions if not each.kept)

    def summary(self) -> str:
        """Return a line for each version and each orphan."""
        verb = "would go" if self.dry_run else "gone"
        lines = [
            f"version {each.version:>4}  {each.family or '?':8}  {each.bytes:>12,} bytes  "
            + (f"kept: {', '.join(each.kept)}" if each.kept else verb)
            for each in self.versions
        ]
        going = sum(not each.kept for each in self.versions)
        lines.append(f"{going} of {len(self.versions)} versions {verb}: {self.freed:,} bytes")
        lines += [f"orphan: {each.path}  {each.files:,} files, {each.bytes:,} bytes" for each in self.orphans]
        lines += [f"not looked through for orphans: {uri}" for uri in self.unseen]
        return "\n".join(lines)


def prune(
    registry: Registry, *, uses: Mapping[str, str], test_versions: Iterable[int], keep: int, state: Path, dry_run: bool
) -> PruneReport:
    """Remove the versions that nothing needs, with their models' artifacts; orphans are only reported.

    A version stays if it has an alias, was champion or can be rolled back to, waits for a person, is in an A/B test, is
    linked to a sibling, made images whose manifest was found, or is one of the newest. Its run and its decisions in
    the ledger stay in any case.

    Args:
        registry: the registered model.
        uses: where images were found, by the sha256 of the model that made them.
        test_versions: those of A/B tests.
        keep: so many of the newest stay.
        state: folder of the lock.
        dry_run: report only.

    Raises:
        Unavailable: MLflow does not answer. What is gone is gone, and the same command goes on.
    """
    with alias_lock(state):
        versions = registry.versions()
        reasons = _reasons(registry, versions, uses, set(test_versions), keep)
        models = {each.version: registry.model_of(each.version) for each in versions}
        rows = tuple(
            VersionInUse(
                version=each.version,
                family=each.family,
                fid=each.fid,
                created=each.created,
                kept=tuple(reasons[each.version]),
                bytes=registry.model_bytes(models[each.version]),
            )
            for each in versions
        )
        models_in_use = {models[each.version] for each in rows if each.kept}
        for each in rows:
            if not each.kept and not dry_run:
                registry.remove(each.version, None if models[each.version] in models_in_use else models[each.version])
        orphans, unseen = _orphans(registry.store)
    return PruneReport(dry_run=dry_run, versions=rows, orphans=orphans, unseen=unseen)


def _reasons(
    registry: Registry, versions: list[Listing], uses: Mapping[str, str], test_versions: set[int], keep: int
) -> dict[int, list[str]]:
    """Why each version stays."""
    champion_state = Ledger(registry.store, registry.name).read().champion_state()
    tags = {version.version: registry.tags(version.version) for version in versions}
    parents = {
        int(value) for own in tags.values() for key, value in own.items() if _SIBLING in key and value.isdecimal()
    }
    reasons: dict[int, list[str]] = {}
    for place, version in enumerate(versions):
        number, own = version.version, tags[version.version]
        why = [f"alias {alias}" for alias in version.aliases]
        if number == champion_state.champion:
            why.append("champion in the ledger")
        if number in champion_state.trail:
            why.append("was champion: a rollback may go back to it")
        if APPROVE in own or "awaiting" in (version.gate or ""):
            why.append("waits for a person")
        if number in test_versions:
            why.append("in an A/B test")
        if number in parents or any(_SIBLING in key for key in own):
            why.append("has siblings")
        if version.sha256 and version.sha256 in uses:
            why.append(f"made the images in {uses[version.sha256]}")
        if place < keep:
            why.append(f"one of the {keep} newest")
        reasons[number] = why
    return reasons


def _orphans(store: MlflowStore) -> tuple[tuple[Orphan, ...], tuple[str, ...]]:
    """Files under the experiments' artifact folders that belong to no run and no logged model, by topmost folder."""
    roots, unseen, files = set(), set(), set()
    for location, places in store.artifact_places():
        folder = _folder(location)
        if folder is None:
            unseen.add(location)
        else:
            roots.add(folder)
        files |= {place for uri in places if (place := _folder(uri)) is not None}
    files |= {place for uri in _places_of_versions(store, files) if (place := _folder(uri)) is not None}
    above = {parent for place in files for parent in place.parents} | roots
    orphans = [orphan for root in sorted(roots) if root.is_dir() for orphan in _unknown(root, files, above)]
    return tuple({orphan.path: orphan for orphan in orphans}.values()), tuple(sorted(unseen))


def _places_of_versions(store: MlflowStore, files: set[Path]) -> Iterable[str]:
    """Where versions have files that no logged model names any more: it, or its experiment, was deleted in MLflow."""
    names = {part for place in files for part in place.parts}
    with store.translate_errors():
        for version in store.client.search_model_versions(max_results=10_000):
            if str(version.source).removeprefix(MODELS) not in names:
                yield str(store.client.get_model_version_download_uri(version.name, version.version))


def _unknown(folder: Path, places: set[Path], above: set[Path]) -> Iterable[Orphan]:
    for path in sorted(folder.iterdir()):
        if path in places:
            continue
        if path in above:
            yield from _unknown(path, places, above)
            continue
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        if files:
            yield Orphan(path=path, files=len(files), bytes=sum(each.stat().st_size for each in files))


def _folder(uri: str) -> Path | None:
    """The folder of this machine that a URI or path names; None if it is somewhere else."""
    parts = urlparse(uri)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path)).resolve()
