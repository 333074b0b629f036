"""A version's graph with all that whoever gets it should know: its card and its bill of materials."""

from __future__ import annotations

from pathlib import Path

from ganlib.config import Params
from ganlib.config.keys import project_keys
from ganlib.core.errors import BadInput
from ganlib.core.extras import require_extra
from ganlib.core.files import json_bytes, write_bytes
from ganlib.core.keys import KeyRing
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.data import known
from ganlib.export.contract import describe
from ganlib.export.signature import GRAPH, SIGNATURE, require_signing, sign_folder
from ganlib.jobs.promotion.model_card import BILL, CARD, CardSubject, markdown
from ganlib.registry.gate import Decision
from ganlib.registry.registry import Registry, Version
from ganlib.registry.resolve import resolve_model
from ganlib.registry.version_signature import read_signature
from ganlib.tracking import history
from ganlib.tracking.reap import open_store
from ganlib.tracking.store import Absent, MlflowStore


class CardFolder(Record):
    """A folder with a graph and its card."""

    path: Path
    version: int
    sha256: str
    files: tuple[str, ...]

    def summary(self) -> str:
        """Return a line for people."""
        return f"version {self.version} -> {self.path}: {', '.join(self.files)}"


def download_with_card(project: Project, params: Params, reference: str, out: Path) -> CardFolder:
    """Fill the folder ``out`` with the graph that ``reference`` names, its card and its bill of materials.

    Files of an earlier such download are replaced. With a key (``signing.key``) the whole of it is signed.

    Raises:
        BadInput: no such version, ``out`` holds something else, or the extras ``cards`` or, with a key, ``signing`` are
            not installed. Nothing was written.
        Corrupt: the stored bytes are not those that were registered; the same.
        Unavailable: the registry cannot be reached.
    """
    require_extra("cards", "cyclonedx", "the bill of materials of --card")
    from ganlib.jobs.promotion.bill_of_materials import bill

    keys = project_keys(project)
    if keys.private_file:
        require_signing()
    _require_ours(out)
    registry = Registry(open_store(project), params.registry.model)
    version = resolve_model(registry, params, reference)
    registry = Registry(registry.store, version.name)
    graph = registry.download(version, out / GRAPH)
    subject = subject_of(registry, version, graph, params)
    write_bytes(out / CARD, markdown(subject).encode())
    write_bytes(out / BILL, json_bytes(bill(subject)))
    files = (GRAPH, CARD, BILL, *((SIGNATURE,) if _sign(registry, version, out, keys) else ()))
    return CardFolder(path=out, version=version.version, sha256=version.sha256 or "", files=files)


def _sign(registry: Registry, version: Version, out: Path, keys: KeyRing) -> bool:
    """Sign the folder; where there is no key here, the version's own signature is put there, if it has one."""
    if keys.private_file:
        sign_folder(out, keys)
    elif bundle := read_signature(registry, version):
        write_bytes(out / SIGNATURE, bundle.encode())
    else:
        (out / SIGNATURE).unlink(missing_ok=True)
        return False
    return True


def subject_of(registry: Registry, version: Version, graph: Path, params: Params) -> CardSubject:
    """Return what the registry and the file ``graph`` know of ``version``; licence and prices are those of ``params``.

    Raises:
        Unavailable: MLflow does not answer.
    """
    about = describe(graph.read_bytes(), str(graph))
    settings = _settings(registry.store, version.run_id)
    data = history.data_version(registry.store, version.run_id) if version.run_id and settings is not None else None
    return CardSubject(
        version=version,
        contract=about.contract,
        metadata=about.metadata,
        decision=_decision(registry, version.version),
        data=data,
        licence=(settings or {}).get("licence") or params.registry.licence,
        data_licence=(settings or {}).get("data_licence") or (known.credit(data.source) if data else ""),
        cost=history.cost_of(registry.store, version.run_id, params.costs),
        currency=params.costs.currency,
    )


def _require_ours(out: Path) -> None:
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if others := sorted(names - {GRAPH, CARD, BILL, SIGNATURE}):
        raise BadInput(
            f"{out} holds something else ({', '.join(others[:3])}{', ...' if len(others) > 3 else ''}): nothing was "
            "changed. Choose another folder."
        )


def _settings(store: MlflowStore, run_id: str | None) -> dict[str, str] | None:
    """What the run was started with; None: it is gone."""
    try:
        return history.read(store, run_id).params if run_id else None
    except Absent:
        return None


def _decision(registry: Registry, number: int) -> Decision | None:
    try:
        return Decision.model_validate_json(registry.decision(number) or "")
    except ValueError:  # there is none, or it was overwritten by a person
        return None
