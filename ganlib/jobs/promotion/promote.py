"""Register a trained run, and put a version through the gate."""

from __future__ import annotations

import logging

from ganlib.config import Params
from ganlib.core import log_ids
from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation.evaluate import Evaluation
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.measuring.deltas import Delta, deltas, replicates
from ganlib.jobs.models import fetch
from ganlib.jobs.promotion import gate_report
from ganlib.registry import page
from ganlib.registry import promote as promotion
from ganlib.registry.apply import apply_pending
from ganlib.registry.entries import LedgerEntry
from ganlib.registry.gate import Decision
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import Registry, Version, alias_lock, registered_model
from ganlib.registry.resolve import resolve_version
from ganlib.registry.roles import is_promoter, objection, require_promoter
from ganlib.tracking import runs
from ganlib.tracking.login import login
from ganlib.tracking.reap import open_store
from ganlib.tracking.store import connect


def register(
    project: Project,
    params: Params,
    run_id: str,
    evaluation: Evaluation,
    *,
    candidates: int = 1,
    data: DataVersion | None = None,
    report: Report = silent,
) -> Version:
    """Make the graph of ``run_id`` a version of the registered model, tagged with its evidence, as ``challenger``.

    ``candidates`` is the number of runs that it was chosen from by its figures; ``data`` is what it was trained on,
    where that is not the data version here.
    """
    report.advance("register", 0, 1)
    source = fetch(project, params, f"runs:/{run_id}")
    registry = Registry(connect(project), params.registry.model)
    with alias_lock(project.state):
        apply_pending(registry, Ledger(registry.store, registry.name))
    version = registry.register(
        run_id, source.path, evaluation=evaluation, data=data or current_data(project), candidates=candidates
    )
    page.update(registry, project.state)
    report.advance("register", 1, 1, {"version": version.version})
    return version


@log_ids.scope()
def promote(
    project: Project,
    params: Params,
    reference: str,
    *,
    expect: int | None = None,
    dry_run: bool = False,
    again: bool = False,
    approve: bool = False,
) -> Decision:
    """Put a version through the gate against its model's champion; move the aliases if it passes, unless on a dry run.

    Args:
        project: the checkout.
        params: the configuration; its ``gate`` is the policy.
        reference: the challenger: a version number, alias or ``models:/`` URI.
        expect: refuse unless the champion is still this version (0: unless there is none).
        dry_run: decide and explain, change nothing.
        again: decide though a person rolled back from it.
        approve: a version that passes waits for nobody: who asks is the person who approves it.

    Raises:
        BadInput: no such version, or the champion moved; who approves may not.
        Unavailable: the registry cannot be reached, or somebody else decided meanwhile: nothing was changed.
    """
    store = open_store(project)
    challenger = resolve_version(Registry(store, params.registry.model), reference)
    log_ids.note(run_id=challenger.run_id, model_version=challenger.uri)
    registry = Registry(store, challenger.name)  # a URI may name the model of another data set, with its own champion
    rules, user = params.registry, login()
    if approve and (reason := objection(registry, rules, challenger, user)):
        raise BadInput(f"{reason}. Nothing was changed.")
    waits = not approve and (rules.approval == "required" or not is_promoter(rules, user))
    decision = promotion.promote(
        registry,
        challenger,
        policy=params.gate,
        state=project.state,
        expect=expect,
        dry_run=dry_run,
        approval=waits,
        again=again,
    )
    if not dry_run and (again or decision.taken_back is None):
        try:
            _report(project, params, registry, decision)
        except Exception as error:  # what was decided stands, whatever an artifact store or its library raises
            logging.getLogger("ganlib").warning("the page of the decision could not be drawn: %s", error)
        # A watch that looked before the report was there has told the decision without a link to it.
        page.update(registry, project.state, always=decision.challenger)
    return decision


def _report(project: Project, params: Params, registry: Registry, decision: Decision) -> None:
    """Log the page of the decision to the challenger's run."""
    from ganlib.generation.session import OnnxModel

    challenger = registry.get(decision.challenger)
    champion = registry.get(decision.champion) if decision.champion else None
    if challenger.run_id is None:
        return
    graphs, titles = [], []
    for version, role in ((champion, "champion"), (challenger, "challenger")):
        if version:
            source = fetch(project, params, version.uri)
            graphs.append(OnnxModel(source.path, sha256=source.sha256))
            titles.append(f"{role}: version {version.version} ({version.family}), seed {params.generate.seed}")
    png = gate_report.picture(graphs, titles, params.generate.seed, params.mark)
    changes: tuple[Delta, ...] = ()
    if champion:
        both = (champion, challenger)
        pair = [replicates(registry.store, version.run_id, version.evaluation) for version in both]
        changes = deltas(champion.evaluation, challenger.evaluation, *pair)
    run = runs.open_run(registry.store, challenger.run_id)
    run.text(gate_report.page(decision, challenger, champion, png, changes), gate_report.REPORT)


def rollback(
    project: Project, params: Params, *, model: str | None = None, expect: int | None = None, reason: str = ""
) -> LedgerEntry:
    """Make the displaced version champion again; the ledger's entry (see :func:`ganlib.registry.promote.rollback`).

    It is one of the registered model ``model``, by default that of the project's data.

    Raises:
        BadInput: who asks may not, there is no such model, the champion is not ``expect``, or there is nothing to go
            back to.
        Unavailable: the registry cannot be reached.
    """
    require_promoter(params.registry, "roll back")
    registry = registered_model(open_store(project), params, model)
    entry = promotion.rollback(registry, state=project.state, expect=expect, reason=reason)
    page.update(registry, project.state)
    return entry
