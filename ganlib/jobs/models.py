"""From what a user calls a model (file, run, version, alias) to a graph on disk whose bytes are known."""

from __future__ import annotations

import re
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from ganlib import pretrained
from ganlib.config import Params
from ganlib.config.keys import project_keys
from ganlib.core.errors import BadInput, ReadOnly
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.evaluation.evaluate import Evaluation
from ganlib.export.signature import SIGNATURE, require_folder, require_graph
from ganlib.generation.storage.base import temporary
from ganlib.pretrained import PretrainedCard
from ganlib.registry import names
from ganlib.registry.registry import Registry, Version
from ganlib.registry.resolve import resolve_model
from ganlib.registry.version_signature import read_signature
from ganlib.tracking.reap import open_store
from ganlib.tracking.store import Absent, MlflowStore, connect

_RUN = re.compile(r"[A-Za-z0-9_-]{1,64}")  # it becomes part of a path
_CHECKPOINTS = ("checkpoint-best.pt", "checkpoint.pt")


class Model(Record):
    """A graph on disk and how it was named."""

    reference: str
    path: Path
    sha256: str
    version: Version | None = None
    run_id: str | None = None
    card: PretrainedCard | None = None
    """Of one that ships with the package."""

    @property
    def trained_by(self) -> str | None:
        """Id of the run that it came from, if that is known."""
        return self.run_id or (self.version.run_id if self.version else None)

    @property
    def evaluation(self) -> Evaluation | None:
        """What was measured of it, if that came with it."""
        return self.version.evaluation if self.version else self.card.evaluation if self.card else None

    @property
    def origin(self) -> dict[str, object]:
        """What a manifest keeps of where the model came from."""
        version = self.version
        return {
            "reference": self.reference,
            "sha256": self.sha256,
            "version": version.version if version else None,
            "model": version.name if version else None,
            "aliases": list(version.aliases) if version else [],
            "run_id": version.run_id if version else self.run_id,
        }


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes with this process."""
    return temporary()


def _of_run(store: MlflowStore, run_id: str, project: Project) -> Path:
    try:
        return store.download(run_id, "onnx/generator.onnx", project.state / "cache")
    except ReadOnly:
        return store.download(run_id, "onnx/generator.onnx", Path(_scratch().name))


def fetch_checkpoint(project: Project, run_id: str) -> Path:
    """Return the run's best checkpoint or else its last one, on this machine or from MLflow.

    Raises:
        BadInput: it has none.
        Unavailable: MLflow does not answer.
    """
    for name in _CHECKPOINTS:
        local = project.run_folder(run_id) / name
        if local.is_file():
            return local
    store, folder = connect(project), project.state / "cache" / "checkpoints" / run_id
    for name in _CHECKPOINTS:
        with suppress(Absent):
            return store.download(run_id, f"checkpoint/{name}", folder)
    raise BadInput(f"run {run_id} has no checkpoint, neither on this machine nor in MLflow.")


def needs_project(reference: str) -> bool:
    """Say whether a registry has to be asked for ``reference``: not for a file, nor for what ships with ganlib."""
    return not reference.endswith(".onnx") and not reference.startswith(pretrained.PREFIX)


def fetch(project: Project | None, params: Params | None, reference: str) -> Model:
    """Find the graph that ``reference`` names, once: an alias is pinned to the version it points to now.

    The alias ``champion`` is what :class:`ganlib.registry.champion.Champion` says, which names the version in a line
    of the log where that is not the alias's own.

    Args:
        project: needed where :func:`needs_project` says so.
        params: the same.
        reference: a path to an ``.onnx`` file, ``pretrained:NAME``, ``runs:/ID``, ``models:/NAME@ALIAS``,
            ``models:/NAME/VERSION``, a version number, or an alias.

    Raises:
        BadInput: nothing of that name.
        Corrupt: the stored bytes are not those that were registered, or not those that ship with ganlib.
        Unavailable: the registry cannot be reached.
    """
    if reference.startswith(pretrained.PREFIX):
        model = pretrained.find(reference)
        return Model(reference=reference, path=model.path, sha256=model.sha256, card=model.card)
    path = Path(reference)
    if path.suffix == ".onnx":
        if not path.is_file():
            raise BadInput(names.no_file(reference) or f"no such file: {path}.")
        return Model(reference=reference, path=path.resolve(), sha256=sha256_file(path))
    if project is None or params is None:
        raise BadInput(
            names.no_file(reference)
            or f"{reference!r} is not an .onnx file, and there is no params.yaml here that says where a registry is."
        )
    run_id = reference.removeprefix("runs:/").strip("/") if reference.startswith("runs:/") else None
    if run_id is not None and not _RUN.fullmatch(run_id):
        raise BadInput(f"{reference!r} is no runs:/ID, an ID being letters, digits, - and _.")
    store = open_store(project)
    if run_id is not None:
        local = project.run_folder(run_id) / "generator.onnx"
        path = local if local.is_file() else _of_run(store, run_id, project)
        return Model(reference=reference, path=path, sha256=sha256_file(path), run_id=run_id)
    registry = Registry(store, params.registry.model)
    return fetch_version(project, registry, resolve_model(registry, params, reference), reference)


def fetch_version(project: Project, registry: Registry, version: Version, reference: str) -> Model:
    """Return the graph of ``version``, which ``reference`` named.

    Raises:
        Corrupt: the stored bytes are not those that were registered.
        Unavailable: the registry cannot be reached.
    """
    place = project.state / "cache" / "models" / f"{version.sha256}.onnx"
    if not (place.is_file() and sha256_file(place) == version.sha256):
        try:
            place = registry.download(version, place)
        except ReadOnly:  # a project that is only read: kept for as long as this process
            place = registry.download(version, Path(_scratch().name) / place.name)
    return Model(reference=reference, path=place, sha256=version.sha256, version=version)


def fetch_to_use(project: Project | None, params: Params | None, reference: str) -> Model:
    """:func:`fetch` for whoever makes images of the model: what is signed is checked before anybody loads it.

    Raises:
        BadInput: as :func:`fetch`; or its signature is wrong, or it has none and ``signing.required`` asks for one.
    """
    model, keys = fetch(project, params, reference), project_keys(project)
    if not (keys.public_keys or keys.required):
        return model
    bundle = _bundle(project, model)
    if bundle is None:
        if keys.required:
            raise BadInput(
                f"{reference} is not signed, and signing.required asks for it: nothing was loaded. Whoever has the key "
                "signs a version by: ganlib registry sign VERSION"
            )
    elif model.version:
        require_graph(model.path, bundle, keys)
    else:
        require_folder(model.path, keys)
    return model


def _bundle(project: Project | None, model: Model) -> str | None:
    """The signature of ``model``, beside its file or in the registry; None: it has none."""
    if model.version and project:
        return read_signature(Registry(connect(project), model.version.name), model.version)
    place = model.path.parent / SIGNATURE
    if model.run_id or model.card or not place.is_file():
        return None
    return place.read_text(encoding="utf-8", errors="replace")
