"""From names on the command line to opened graphs with what MLflow knows of their training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganlib import families
from ganlib.config import Limits, Params
from ganlib.core.errors import BadInput, unknown
from ganlib.core.project import Project
from ganlib.jobs.models import Model, fetch
from ganlib.tracking import history
from ganlib.tracking.history import RunRecord
from ganlib.tracking.store import Absent, MlflowStore

if TYPE_CHECKING:
    from ganlib.generation.session import OnnxModel


@dataclass(frozen=True)
class SelectedModel:
    """A model by the name that it was asked for."""

    name: str
    model: Model
    graph: OnnxModel
    run: RunRecord | None
    """None for a bare file."""

    @property
    def family(self) -> str:
        """As the graph itself says."""
        return self.graph.metadata.get("family", "unknown")

    @property
    def reference(self) -> str:
        """Names this graph for good, wherever an alias points later."""
        return self.model.version.uri if self.model.version else self.model.reference


def select(
    project: Project, params: Params, store: MlflowStore, name: str, *, budget: str | None = None
) -> SelectedModel:
    """Return the model ``name``: of a family, the newest finished run in the experiment that has a graph.

    Args:
        project: the checkout.
        params: its configuration.
        store: where runs are looked up.
        name: a family, or what :func:`ganlib.jobs.models.fetch` takes.
        budget: only runs of this row of ``budgets`` count.

    Raises:
        BadInput: nothing of that name, or the family has no such run.
    """
    if name in families.names():
        for run in history.of_family(store, params.registry.experiment, name):
            fits = budget is None or of_limits(run, params.limits(name, budget))
            if run.status == "FINISHED" and fits and history.has_graph(store, run.id):
                return opened(project, params, store, f"runs:/{run.id}", name)
        kind = f" at budget {budget}" if budget else ""
        raise BadInput(f"{name} has no finished run{kind} with a graph: run `ganlib train {name}`, or add --train.")
    try:
        return opened(project, params, store, name, name)
    except Absent as error:
        if set(name) & set(":/@"):
            raise
        raise BadInput(f"{error} Nor is it a family: {unknown('family', name, families.names())}") from None


def opened(project: Project, params: Params, store: MlflowStore, reference: str, name: str) -> SelectedModel:
    """Return the model ``reference``, under ``name``."""
    from ganlib.generation.session import OnnxModel

    source = fetch(project, params, reference)
    run = history.read(store, source.trained_by) if source.trained_by else None
    return SelectedModel(name, source, OnnxModel(source.path, sha256=source.sha256), run)


def of_limits(run: RunRecord, limits: Limits) -> bool:
    """Return whether ``run`` was trained by these limits."""
    try:
        return int(run.params["steps"]) == limits.steps and float(run.params["seconds"]) == limits.seconds
    except (KeyError, ValueError):
        return False
