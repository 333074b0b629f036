"""Bring what people did in MLflow's page together with the ledgers, of all the project's registered models."""

from __future__ import annotations

from collections.abc import Mapping

from ganlib.config import Params
from ganlib.core.errors import GanlibError, ReadOnly, Unavailable
from ganlib.core.project import Project
from ganlib.registry import page
from ganlib.registry import reconcile as people
from ganlib.registry.approval import Gate
from ganlib.registry.finding import Finding
from ganlib.registry.gate import Decision, decide
from ganlib.registry.mlflow_ledger import models_with_ledger
from ganlib.registry.reconcile import Pending, Reconciliation
from ganlib.registry.registry import Registry, Version, registered_models
from ganlib.tracking.reap import open_store
from ganlib.tracking.store import MlflowStore, connect


def reconcile(project: Project, params: Params) -> Reconciliation:
    """Record and answer promotions, approvals and removals that people made in MLflow's page, of all registered models.

    What hinders one model, such as a damaged ledger, is a finding, and the others are done all the same. The policy
    is ``registry.external`` and ``registry.approval``; see :func:`ganlib.registry.reconcile.reconcile`. Runs
    that a killed process left RUNNING are ended too.

    Raises:
        Unavailable: the registry cannot be reached: nothing was changed.
    """
    findings: list[Finding] = []
    for registry in registries(open_store(project), params):
        try:
            done = people.reconcile(
                registry,
                gate=gate(params),
                rules=params.registry,
                state=project.state,
            )
        except (Unavailable, ReadOnly):  # which hinder all of them
            raise
        except GanlibError as error:
            findings.append(Finding(level="error", text=str(error), model=registry.name))
            continue
        findings += [each.model_copy(update={"model": registry.name}) for each in done.findings]
        page.update(registry, project.state)
    return Reconciliation(findings=tuple(findings))


def gate(params: Params) -> Gate:
    """Return the gate with the limits of ``params``."""

    def decide_with_limits(challenger: Version, champion: Version | None, comparisons: int) -> Decision:
        return decide(challenger, champion, params.gate, comparisons)

    return decide_with_limits


def pending(project: Project, params: Params) -> Mapping[str, Pending]:
    """Return what :func:`reconcile` would look at, by registered model; empty if it has nothing to do. Reads only.

    Raises:
        Unavailable: the registry cannot be reached.
    """
    work = {registry.name: people.pending(registry) for registry in registries(connect(project), params)}
    return {name: each for name, each in work.items() if each is not None}


def registries(store: MlflowStore, params: Params) -> list[Registry]:
    """Return the models that people may promote: of the project's data, and all that have versions or a ledger."""
    names = dict.fromkeys([params.registry.model, *registered_models(store), *models_with_ledger(store)])
    return [Registry(store, name) for name in names]
