"""Bring what people did in MLflow's page together with the ledger."""

from __future__ import annotations

from ganlib.config import Params
from ganlib.core.project import Project
from ganlib.registry import page
from ganlib.registry import reconcile as people
from ganlib.registry.gate import decide
from ganlib.registry.reconcile import Reconciled
from ganlib.registry.registry import Registry
from ganlib.tracking.reap import open_store
from ganlib.tracking.store import connect


def reconcile(project: Project, params: Params) -> Reconciled:
    """Record and answer promotions, approvals and removals that people made in MLflow's page.

    The policy is ``registry.external`` and ``registry.approval``; see :func:`ganlib.registry.reconcile.reconcile`. Runs
    that a killed process left RUNNING are ended too.

    Raises:
        Unavailable: the registry cannot be reached: nothing was changed.
    """
    store = open_store(project)
    registry = Registry(store, params.registry.model)
    done = people.reconcile(
        registry,
        gate=lambda challenger, champion, tried: decide(challenger, champion, params.gate, tried),
        rules=params.registry,
        state=project.state,
    )
    page.update(registry, project.state)
    return done


def pending(project: Project, params: Params) -> people.Pending | None:
    """Return what :func:`reconcile` would look at; None if it has nothing to do. Reads only.

    Raises:
        Unavailable: the registry cannot be reached.
    """
    return people.pending(Registry(connect(project), params.registry.model))
