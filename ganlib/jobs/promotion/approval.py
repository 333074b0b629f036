"""Versions that await a person's approval, what to ask about them, and what to do with the answer."""

from __future__ import annotations

from ganlib.config import Params
from ganlib.core import log_ids
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.jobs.promotion.reconcile import gate, registries
from ganlib.registry import approval, page
from ganlib.registry.approval import Answer, waiting_entry
from ganlib.registry.finding import Finding
from ganlib.registry.gate import Decision
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import Registry
from ganlib.tracking.reap import open_store
from ganlib.tracking.store import connect


class WaitingVersion(Record):
    """A version that passed the gate against the present champion, and that nobody has answered about."""

    model: str
    version: int
    entry: int
    """The ledger's, of the kind ``awaiting``."""


class Question(WaitingVersion):
    """What a person should know before the answer."""

    text: str
    """Markdown."""
    decision: Decision | None
    """The gate's, with its checks."""
    run_id: str | None
    family: str


def waiting(project: Project, params: Params) -> tuple[WaitingVersion, ...]:
    """Return all versions that await approval, of all registered models. Reads only.

    Raises:
        Unavailable: the registry cannot be reached.
    """
    result = []
    for registry in registries(connect(project), params):
        entries = Ledger(registry.store, registry.name).read().sealed().waiting()
        digests = {version.version: version.sha256 for version in registry.versions()} if entries else {}
        for entry in entries:
            number = entry.to_version or 0
            if number in digests and entry.spoken_of().digests.get(number) == digests[number]:
                result.append(WaitingVersion(model=registry.name, version=number, entry=entry.seq))
    return tuple(result)


def question(project: Project, params: Params, model: str, seq: int) -> Question:
    """Return what to ask about the version that entry ``seq`` of the ledger of ``model`` has waiting.

    Raises:
        BadInput: it does not wait, or not any more.
        Unavailable: the registry cannot be reached.
    """
    registry = Registry(connect(project), model)
    entry = waiting_entry(Ledger(registry.store, model).read(), seq)
    version = registry.get(entry.to_version or 0)
    against = f"version {entry.from_version}, the champion" if entry.from_version else "no champion"
    lines = [f"Version {version.version} of {model} passed the gate, against {against}.", ""]
    lines += page.figures(version, page.Story((entry,)))
    if params.registry.promoters:
        lines.append(f"- May answer: {', '.join(params.registry.promoters)}")
    lines += ["", "The ledger names you as you write your name here."]
    return Question(
        model=model,
        version=version.version,
        entry=seq,
        text="\n".join(lines),
        decision=page.decision_on(registry, version.version),
        run_id=version.run_id,
        family=version.family or "unknown",
    )


@log_ids.scope()
def answer(project: Project, params: Params, model: str, seq: int, reply: Answer) -> Finding:
    """Do what a person said about the version that entry ``seq`` has waiting (:func:`ganlib.registry.approval.answer`).

    Raises:
        BadInput: it does not wait, or not any more.
        Unavailable: the registry cannot be reached, or somebody else decided meanwhile: nothing was moved.
    """
    registry = Registry(open_store(project), model)
    finding = approval.answer(registry, seq, reply, gate=gate(params), rules=params.registry, state=project.state)
    page.update(registry, project.state)
    return finding
