"""The trained model whose weights a training begins from, where ``train.init`` names one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.events import Remark
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.export.contract import Description, describe
from ganlib.jobs.data.version_data import version_data
from ganlib.jobs.models import fetch, fetch_checkpoint
from ganlib.tracking import history
from ganlib.tracking.store import connect

if TYPE_CHECKING:
    from ganlib.data.spec import DatasetSpec
    from ganlib.families.parts.base import Family
    from ganlib.training.ema import Ema


class ParentModel(Record):
    """A model that was trained here, with the weights of all its nets."""

    name: str
    """``models:/NAME/VERSION``, or ``runs:/ID``."""
    run_id: str
    num_classes: int = 0

    def __str__(self) -> str:
        """Return both."""
        return self.name if self.name == f"runs:/{self.run_id}" else f"{self.name} (run {self.run_id})"


def find_parent(
    project: Project, params: Params, family: str, spec: DatasetSpec, resume: str | None = None
) -> ParentModel | None:
    """Return the model that ``train.init`` names for a training of ``family`` on such images; None: it names none.

    Of a run to ``resume`` it is the one that the run began from, wherever an alias points by now.

    Raises:
        BadInput: no such model; it is of another family or makes other images; it was not trained here.
        Unavailable: the registry cannot be reached.
    """
    if resume is not None:
        parent = history.read(connect(project), resume).params.get("init", "None")
        return None if parent == "None" else ParentModel(name=f"runs:/{parent}", run_id=parent)
    reference = params.train.init
    if reference is None:
        return None
    model = fetch(project, params, reference)
    description = describe(model.path.read_bytes(), reference)
    _require_same(description, reference, family, spec)
    run_id = model.trained_by
    if run_id is None:
        raise BadInput(
            f"{reference} has no run here, and a graph alone is not enough to train on: give --init runs:/ID or "
            "models:/NAME/VERSION of a model that was trained in this project."
        )
    return ParentModel(
        name=model.version.uri if model.version else f"runs:/{run_id}",
        run_id=run_id,
        num_classes=description.contract.spec.num_classes,
    )


def begin_from(parent: ParentModel, project: Project, family: Family, ema: Ema, report: Report) -> None:
    """Give ``family`` and ``ema`` the parent's weights; what knows other classes than the parent did stays fresh.

    Optimisers start afresh. ``report`` hears what was taken, and what was not.

    Raises:
        BadInput: the run's checkpoint is gone or damaged, or its nets are of another size.
    """
    from ganlib.training.checkpoint import read_weights

    checkpoint = fetch_checkpoint(project, parent.run_id)
    try:
        fresh = read_weights(checkpoint, family, ema, same_classes=parent.num_classes == family.spec.num_classes)
    except BadInput as error:
        others = _other_options(project, parent.run_id, family)
        raise BadInput(f"{parent} cannot be begun from: {error}{others}") from error
    facts = {"weights of": str(parent)}
    if fresh:
        facts["fresh, as the classes differ"] = ", ".join(fresh)
    report.event(Remark(f"train {family.name}", facts))


def _other_options(project: Project, run_id: str, family: Family) -> str:
    """In words, what options the run had that ``family`` has not; empty where they are the same."""
    theirs = history.read(connect(project), run_id).params
    ours = {name: str(value) for name, value in family.options.model_dump().items() if not isinstance(value, dict)}
    differ = [
        f"{name} {theirs.get(name, 'not there yet')}, now {value}"
        for name, value in ours.items()
        if theirs.get(name) != value
    ]
    if not differ:
        return ""
    return f" Options that its run had otherwise: {'; '.join(differ)} (--set families.{family.name}.NAME=VALUE)."


def bring_images_for(project: Project, params: Params, source: Path, report: Report = silent) -> str | None:
    """Make the images at ``source`` the data version, of the size and the channels that ``train.init``'s model makes.

    Returns:
        What to call that model from now on: with the data set, the project's own model has changed.

    Raises:
        BadInput: no such model, or the images cannot be used; nothing was changed.
    """
    reference, options, uri = params.train.init, {}, None
    if reference is not None:
        model = fetch(project, params, reference)
        image = describe(model.path.read_bytes(), reference).contract.spec.image
        options = {"size": image.height, "channels": image.channels}
        uri = model.version.uri if model.version else reference
    version_data(project, source=source, options=options, report=report)
    return uri


def _require_same(description: Description, reference: str, family: str, spec: DatasetSpec) -> None:
    if (theirs := description.metadata.get("family", "unknown")) != family:
        raise BadInput(f"{reference} is of family {theirs}, not {family}: its weights fit no other family's nets.")
    image = description.contract.spec.image
    if image != spec.image:
        raise BadInput(
            f"{reference} makes images of {image}, and {spec.name} has images of {spec.image}: bring them in with "
            f"--size {image.height} --channels {image.channels} (ganlib data version)."
        )
