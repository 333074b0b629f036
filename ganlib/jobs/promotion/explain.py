"""From an image or a model back to the bytes that it was made of, link by link."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.export.contract import describe
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.manifest import Manifest
from ganlib.jobs.models import Model, fetch
from ganlib.registry.lineage import decisions_on, versions_of
from ganlib.registry.registry import Listing, Registry, registered_models
from ganlib.tracking import history
from ganlib.tracking.history import RunRecord
from ganlib.tracking.runs import IMPORT_TAG, INIT_TAG
from ganlib.tracking.store import Absent, MlflowStore, connect

What = Literal["image", "manifest", "model", "version", "parent", "run", "source", "data", "checksums", "promotion"]
_PREFIX = "ganlib:"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_UPWARDS = 2  # a PNG lies in its shard's folder, the manifest above it


class Link(Record):
    """One step of the way, and what says so."""

    what: What
    found: dict[str, JsonValue]
    """Facts by name; empty if the chain is broken here."""
    note: str = ""
    """Why nothing was found, or what does not fit."""


class Explanation(Record):
    """The whole way."""

    asked: str
    links: tuple[Link, ...]

    @property
    def consistent(self) -> bool:
        """Whether no two links contradict each other."""
        return not any(link.found and link.note for link in self.links)

    def summary(self) -> str:
        """Return a few lines for each link."""
        lines = [f"{self.asked} comes from"]
        for link in self.links:
            facts = "  ".join(f"{name} {value}" for name, value in link.found.items())
            lines.append(f"  {link.what:9}  {facts}" + (f"  [{link.note}]" if link.note else ""))
        return "\n".join(lines)


def explain(project: Project | None, params: Params | None, reference: str) -> Explanation:
    """Walk image -> manifest -> model -> version -> run -> source commit -> data version -> checksums -> promotions.

    Between the version of a sibling and the run stands its parent, whose training the run is.

    Args:
        project: without one, the walk ends where a registry is needed.
        params: the configuration.
        reference: a PNG that `ganlib generate` made, a folder that it filled, or a model as in
            :func:`ganlib.jobs.models.fetch`.

    Raises:
        BadInput: it is none of these, or the image says nothing of where it comes from.
        Unavailable: the registry cannot be reached.
    """
    links: list[Link] = []
    path = Path(reference)
    if path.suffix == ".png" or path.is_dir():
        sha256, manifest = _of_files(path, links)
        graph = None
    else:
        graph = fetch(project, params, reference)
        sha256, manifest = graph.sha256, None
    links.append(_model(sha256, graph, manifest))
    if project is None or params is None:
        links.append(Link(what="version", found={}, note="no project here: there is no registry to ask"))
    else:
        _registered(project, params, sha256, graph, manifest, links)
    return Explanation(asked=reference, links=tuple(links))


def _of_files(path: Path, links: list[Link]) -> tuple[str, Manifest | None]:
    """Digest of the model that made an image or a folder of them, and the manifest."""
    facts: dict[str, str] = {}
    if path.is_dir():
        folder = path
    else:
        facts = _chunks(path)
        around = [path.resolve().parents[up] for up in range(_UPWARDS)]
        folder = next((each for each in around if (each / manifests.FILE).is_file()), around[0])
        links.append(Link(what="image", found={"path": str(path), **facts}))
    manifest = manifests.read(folder)
    if manifest is None:
        links.append(Link(what="manifest", found={}, note=f"no {manifests.FILE} in {folder}"))
        if "model_sha256" not in facts:
            raise BadInput(f"{path} does not say which model made it, and there is no {manifests.FILE} with it.")
        return facts["model_sha256"], None
    note = _contradiction(facts, manifest)
    links.append(
        Link(
            what="manifest",
            found={
                "path": str(folder / manifests.FILE),
                "model_sha256": manifest.model_sha256,
                "seed": manifest.seed,
                "count": manifest.count,
                "reference": manifest.origin.get("reference"),
                "version": manifest.origin.get("version"),
                "aliases then": manifest.origin.get("aliases"),
                "digest": manifest.digest,
            },
            note=note,
        )
    )
    return facts.get("model_sha256", manifest.model_sha256), manifest


def _chunks(path: Path) -> dict[str, str]:
    """What a PNG says of itself, without the prefix of our keys."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            texts = dict(getattr(image, "text", {}))
    except FileNotFoundError:
        raise BadInput(f"no such file: {path}.") from None
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise BadInput(f"{path} is no whole PNG: {error}.") from error
    return {key.removeprefix(_PREFIX): str(text) for key, text in texts.items() if key.startswith(_PREFIX)}


def _contradiction(facts: dict[str, str], manifest: Manifest) -> str:
    """Where an image and the manifest beside it do not fit, in words."""
    if facts.get("model_sha256", manifest.model_sha256) != manifest.model_sha256:
        return f"the image says that model {facts['model_sha256'][:12]} made it"
    if facts.get("seed", str(manifest.seed)) != str(manifest.seed):
        return f"the image says seed {facts['seed']}"
    index = facts.get("index", str(manifest.start))
    if not (index.isdecimal() and int(index) in range(manifest.start, manifest.start + manifest.count)):
        return f"image {index} is none of this manifest's"
    return ""


def _model(sha256: str, graph: Model | None, manifest: Manifest | None) -> Link:
    facts: dict[str, JsonValue] = {"sha256": sha256}
    says: dict[str, str] = {}
    if graph is not None:
        content = graph.path.read_bytes()
        facts |= {"path": str(graph.path), "bytes": len(content)}
        says = describe(content, str(graph.path)).metadata
        if sha256_bytes(content) != sha256:
            return Link(what="model", found=facts, note="the file has changed since it was hashed")
    elif manifest is not None:
        says = manifest.model_metadata
    keys = ("family", "run_id", "source_commit", "data_version", "judge", "judge_sha256")
    return Link(what="model", found=facts | {name: says[name] for name in keys if name in says})


def _registered(
    project: Project,
    params: Params,
    sha256: str,
    graph: Model | None,
    manifest: Manifest | None,
    links: list[Link],
) -> None:
    """The links that MLflow and git know of."""
    store = connect(project)
    reference = manifest.origin.get("model") if manifest else graph.version.name if graph and graph.version else None
    # A manifest is a file that anybody may have written.
    is_name = isinstance(reference, str) and _NAME.fullmatch(reference)
    names = [str(reference)] if is_name else [params.registry.model, *registered_models(store)]
    registries = [Registry(store, name) for name in dict.fromkeys(names)]
    registry = next((each for each in registries if versions_of(each, sha256)), registries[0])
    same = versions_of(registry, sha256)
    version: Listing | None = graph.version if graph and graph.version else same[0] if same else None
    links.append(_version(version, same, registry.name))
    origin = version
    if version and version.sibling_of:
        origin = _parent(registry, version, links)
    run_id = origin.run_id if origin else graph.run_id if graph else _text(links[-2].found.get("run_id"))
    try:
        run = history.read(store, run_id) if run_id else None
    except Absent:
        run = None
    if run is None:
        links.append(Link(what="run", found={}, note=f"run {run_id or '?'} is not in MLflow at {store.display_uri}"))
    else:
        facts: dict[str, JsonValue] = {
            "id": run.id,
            "status": run.status,
            "ended": run.end.isoformat(timespec="seconds") if run.end else None,
            "user": run.tags.get("mlflow.user"),
        }
        if begun_from := run.tags.get(INIT_TAG):
            facts["began from"] = begun_from
        if origin_graph := run.tags.get(IMPORT_TAG):
            facts["imported from"] = origin_graph
        links.append(Link(what="run", found=facts))
        dirty = run.tags.get("ganlib.source_dirty") == "true"
        links.append(
            Link(
                what="source",
                found={"commit": run.tags.get("mlflow.source.git.commit", "none"), "changed files beside it": dirty},
            )
        )
    _data(store, version.data_version if version else run.tags.get("ganlib.data_version") if run else None, run, links)
    if version:
        decisions = decisions_on(registry, version)
        links.extend(
            Link(
                what="promotion",
                found={"entry": e.seq, "time": e.time, "kind": e.kind, "who": e.who, "reason": e.reason},
            )
            for e in decisions
        )
        if not decisions:
            links.append(Link(what="promotion", found={}, note="it was never champion"))


def _version(version: Listing | None, same: list[Listing], name: str) -> Link:
    if version is None:
        return Link(what="version", found={}, note=f"no version of {name} has these bytes")
    facts: dict[str, JsonValue] = {"version": version.version, "model": version.name, "created": version.created}
    if version.aliases:
        facts["aliases now"] = list(version.aliases)
    if len(same) > 1:
        facts["also versions"] = [other.version for other in same if other.version != version.version]
    return Link(what="version", found=facts)


def _parent(registry: Registry, sibling: Listing, links: list[Link]) -> Listing:
    """The version whose training a sibling's weights come from: itself, of a student, and where the parent is gone."""
    how: dict[str, JsonValue] = {"in fewer bits": sibling.precision} if sibling.precision else {"distilled": True}
    facts: dict[str, JsonValue] = {"version": sibling.sibling_of, **how}
    try:
        parent = registry.get(sibling.sibling_of or 0)
    except Absent:
        links.append(Link(what="parent", found={}, note=f"version {sibling.sibling_of} is gone"))
        return sibling
    links.append(Link(what="parent", found={**facts, "sha256": parent.sha256}))
    return parent if sibling.precision else sibling


def _data(store: MlflowStore, md5: str | None, run: RunRecord | None, links: list[Link]) -> None:
    """The data version, and the checksums of its sources as the run recorded them."""
    if md5 is None:
        links.append(Link(what="data", found={}, note="nobody recorded a data version"))
        return
    data = history.data_version(store, run.id) if run else None
    if data is None:
        links.append(Link(what="data", found={"dvc md5": md5}))
        links.append(Link(what="checksums", found={}, note="the run's data_version.json is gone or damaged"))
        return
    note = "" if data.md5 == md5 else f"the run says that it read {data.md5}"
    links.append(Link(what="data", found={"dvc md5": md5, "commit": data.commit}, note=note))
    links.append(Link(what="checksums", found={"source": data.source, **data.source_sha256}))


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
