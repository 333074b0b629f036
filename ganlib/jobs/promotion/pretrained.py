"""Make a graph that ships with the package a version of the registered model, measured as any other."""

from __future__ import annotations

from ganlib import pretrained
from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.files import write_bytes
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.measuring.evaluate import evaluate, require_same
from ganlib.jobs.promotion.promote import register
from ganlib.pretrained import PretrainedCard
from ganlib.registry.lineage import versions_of
from ganlib.registry.registry import Registry, Version
from ganlib.tracking import runs
from ganlib.tracking.reap import open_store
from ganlib.tracking.runs import IMPORT_TAG


class ImportResult(Record):
    """The version that a graph is now."""

    reference: str
    version: Version
    is_new: bool
    """False: it was imported before, and nothing was changed."""

    def summary(self) -> str:
        """Return a line for people."""
        version = self.version
        if not self.is_new:
            return f"{self.reference} is version {version.version} of {version.name} already: nothing was changed"
        return f"{self.reference} is version {version.version} of {version.name}: FID {version.fid_text}, as challenger"


def import_pretrained(project: Project, params: Params, reference: str, *, report: Report = silent) -> ImportResult:
    """Make the graph ``reference``, ``pretrained:NAME``, a version: with a run of its card, and as challenger.

    It is evaluated on the data version here, whose images have to be of the kind that it draws.

    Raises:
        BadInput: no such graph, or other data here; nothing was made.
        Corrupt: the file in the package is damaged; the same.
        Unavailable: the registry cannot be reached.
    """
    if not reference.startswith(pretrained.PREFIX):
        raise BadInput(f"{reference!r} is no {pretrained.PREFIX}NAME, such as {pretrained.EXAMPLE}.")
    model = pretrained.find(reference)
    require_same(model.card.data.spec, current_data(project).spec)
    registry = Registry(open_store(project), params.registry.model)
    if earlier := versions_of(registry, model.sha256):
        return ImportResult(reference=reference, version=registry.get(earlier[0].version), is_new=False)
    card = model.card
    with runs.start(
        registry.store,
        f"import {reference}",
        family=f"{card.family} pretrained",  # not the family's own name: its newest run is one of this project
        params=_params(card),
        tags={IMPORT_TAG: f"{reference}, sha256 {model.sha256}"},
        data=card.data,
        source=card.source,
        experiment=params.registry.experiment,
        prices=params.costs,
    ) as run:
        onnx = project.run_folder(run.id) / "generator.onnx"
        write_bytes(onnx, model.path.read_bytes())
        run.artifact(onnx, "onnx")
        run.text(card.model_dump_json(indent=2), "pretrained.json")
        run.log({"speed/train_seconds": card.train_seconds}, step=card.steps)
        evaluation = evaluate(project, params, f"runs:/{run.id}", report=report)
    version = register(project, params, run.id, evaluation, data=card.data, report=report)
    return ImportResult(reference=reference, version=version, is_new=True)


def _params(card: PretrainedCard) -> dict[str, object]:
    """What the run of its training has, as far as the card knows it."""
    same = ("budget", "overrides", "steps", "seed", "precision", "hardware", "licence", "data_licence")
    return {name: getattr(card, name) for name in same} | {"batch_size": card.training_images // card.steps}
