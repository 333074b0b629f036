"""Retention: what refers to a version, collected from the registry, from manifests and from A/B tests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganlib.abtest import experiment as ab
from ganlib.config import Params
from ganlib.core.project import Project
from ganlib.generation.batch.manifest import FILE
from ganlib.registry.prune import PruneReport
from ganlib.registry.prune import prune as remove
from ganlib.registry.registry import registered_model
from ganlib.registry.roles import require_promoter
from ganlib.tracking.reap import open_store

_FOREIGN = {".git", ".venv", ".dvc", "mlruns", "node_modules", "__pycache__"}


def prune(
    project: Project,
    params: Params,
    *,
    model: str | None = None,
    folders: Sequence[Path] = (),
    keep: int = 5,
    dry_run: bool = False,
) -> PruneReport:
    """See :func:`ganlib.registry.prune.prune`.

    Args:
        project: the checkout; it is searched for manifests in any case.
        params: the configuration.
        model: the registered model; by default that of the project's data.
        folders: more places to search.
        keep: so many of the newest versions stay.
        dry_run: report only.

    Raises:
        BadInput: who asks may not; there is no such model.
        Unavailable: the registry cannot be reached.
    """
    if not dry_run:
        require_promoter(params.registry, "prune")
    registry = registered_model(open_store(project), params, model)
    uses = {sha256: str(path) for folder in (project.root, *folders) for path, sha256 in _manifests(folder)}
    test_versions = ab.versions(project, registry.name)
    return remove(registry, uses=uses, test_versions=test_versions, keep=keep, state=project.state, dry_run=dry_run)


def _manifests(folder: Path) -> Iterator[tuple[Path, str]]:
    """Folders of generated images under ``folder``, and the sha256 of the model; of damaged manifests too, if it is
    legible: what is in doubt stays."""
    for here, below, files in os.walk(folder):
        below[:] = [name for name in below if name not in _FOREIGN]
        if FILE not in files:
            continue
        try:
            sha256 = json.loads((Path(here) / FILE).read_bytes())["model_sha256"]
        except (OSError, ValueError, KeyError, TypeError):  # another program's manifest.json
            continue
        below[:] = []  # shards
        yield Path(here), str(sha256)
