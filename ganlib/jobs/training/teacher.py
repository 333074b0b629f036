"""The model whose images a student learns to draw with less work, and how its lessons come into a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganlib import families
from ganlib.config import DistillConfig, Params
from ganlib.core.errors import BadInput, GanlibError
from ganlib.core.events import Remark
from ganlib.core.progress import Report
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.export.contract import describe
from ganlib.export.precision import PARENT_KEY
from ganlib.jobs.models import Model, fetch, fetch_checkpoint
from ganlib.tracking import history
from ganlib.tracking.runs import TEACHER_TAG
from ganlib.tracking.store import Absent, connect

if TYPE_CHECKING:
    from torch import Tensor

    from ganlib.families.parts.base import Family

WIDTH = "generator_channels"
"""The option that makes a family's generator narrower than its discriminator: families that have it have students."""


class Teacher(Record):
    """A version of the registered model, as a teacher."""

    reference: str
    """``models:/NAME/VERSION``."""
    model: Model
    family: str
    noise_dim: int
    width: int
    """Of its generator."""
    channels: int
    """The width of its discriminator."""
    latent_categories: int

    def student(self, params: Params, width: int) -> Params:
        """Return ``params`` for a student whose generator is ``width`` wide: its family's, and limits of distillation.

        Noise, what is made of it and, where the teacher's run tells it, the discriminator's width are the teacher's.
        """
        row = params.families.get(self.family, {})
        own = {
            "latent_dim": self.noise_dim,
            "latent_categories": self.latent_categories,
            "channels": self.channels,
            "batch_size": params.distill.batch_size,
        }
        budgets = {
            name: budget.model_copy(update={"families": {**budget.families, self.family: budget.distill}})
            if budget.distill
            else budget
            for name, budget in params.budgets.items()
        }
        rows = {**params.families, self.family: {**row, **own, WIDTH: width}}
        return params.model_copy(update={"families": rows, "budgets": budgets})

    def shapes(self, params: Params) -> dict[str, object]:
        """Return what of it shapes the student's run."""
        weights = params.distill.model_dump(exclude={"batch_size"})
        return {"teacher": self.reference, **{f"distill.{name}": value for name, value in weights.items()}}

    def tags(self) -> dict[str, str]:
        """Return the tags of the student's run, which is shown below the teacher's."""
        run_id = self.model.trained_by
        return {TEACHER_TAG: f"{self.reference}, sha256 {self.model.sha256}"} | (
            {"mlflow.parentRunId": run_id} if run_id else {}
        )

    def metadata(self) -> dict[str, str]:
        """Return what the student's graph says of it."""
        return {"distilled_from": self.reference, PARENT_KEY: self.model.sha256}


def find_teacher(project: Project, params: Params, reference: str) -> Teacher:
    """Return the version ``reference`` as a teacher.

    Raises:
        BadInput: there is none of that name, it is no version, it is somebody's sibling, or no student can be made of
            its family.
        Unavailable: the registry cannot be reached.
    """
    model = fetch(project, params, reference)
    if model.version is None:
        raise BadInput(
            f"{reference!r} is no version of the registry, and a student is registered beside its teacher: "
            "ganlib register, or ganlib registry import pretrained:NAME."
        )
    if parent := model.version.sibling_of:
        raise BadInput(f"{reference} is a sibling: distill version {parent}, which it comes from. Nothing was made.")
    description = describe(model.path.read_bytes(), reference)
    family = description.metadata.get("family", "unknown")
    if family not in (able := with_students()):
        raise BadInput(f"no student can be made of family {family}: of {', '.join(able)} one can. Nothing was made.")
    # Where its run is not known, its nets are taken to be those that the family has now.
    row = options_of(project, model.trained_by) or families.configured(params, family).model_dump()
    return Teacher(
        reference=model.version.uri,
        model=model,
        family=family,
        noise_dim=description.contract.noise_dim,
        width=int(row.get(WIDTH) or row["channels"]),
        channels=int(row["channels"]),
        latent_categories=int(row.get("latent_categories") or 0),  # a run from before there were any does not say
    )


def with_students() -> tuple[str, ...]:
    """Return the names of the families whose generator can be narrower than their discriminator."""
    return tuple(name for name in families.names() if WIDTH in families.load(name).Options.model_fields)


def options_of(project: Project, run_id: str | None) -> Mapping[str, Any]:
    """Return the parameters of a training that its run has a value for; empty: there is no such run any more."""
    try:
        params = history.read(connect(project), run_id).params if run_id else {}
    except Absent:
        return {}
    return {name: value for name, value in params.items() if value != "None"}


def teach(
    teacher: Teacher, project: Project, student: Family, weights: DistillConfig, report: Report, *, resume: bool
) -> None:
    """Have ``student`` learn from ``teacher``; its discriminator begins as the teacher's, where there still is one.

    Args:
        teacher: draws a pair for every image that the student draws, by its exported graph.
        project: where the teacher's checkpoint is.
        student: of the teacher's family, as it was built.
        weights: of the terms of the loss.
        report: told where the discriminator comes from.
        resume: the discriminator's weights are in the checkpoint that is loaded later.
    """
    import torch

    from ganlib.families.parts.adversarial import Adversarial
    from ganlib.families.parts.lesson import Lesson
    from ganlib.generation.session import OnnxModel
    from ganlib.nets.conv import ConvDiscriminator
    from ganlib.nets.label import LabelledNet

    assert isinstance(student, Adversarial)  # noqa: S101  (families with students are on these nets)
    graph = OnnxModel(teacher.model.path, sha256=teacher.model.sha256)
    names = list(graph.contract.inputs)

    def draw(*inputs: Tensor) -> Tensor:
        arrays = [tensor.detach().cpu().numpy() for tensor in inputs]
        pixels = torch.from_numpy(graph.run(dict(zip(names, arrays, strict=True))))
        return pixels.to(inputs[0].device).float().div_(127.5).sub_(1.0)

    discriminator = student.discriminator
    net = discriminator.net if isinstance(discriminator, LabelledNet) else discriminator
    assert isinstance(net, ConvDiscriminator)  # noqa: S101
    student.lesson = Lesson(draw, net.levels, weights)
    if not resume:
        origin = _begin(teacher, project, student)
        report.event(Remark(f"distill {teacher.family}", {"discriminator": origin}))


def _begin(teacher: Teacher, project: Project, student: Family) -> str:
    """Give the student's discriminator the teacher's weights; say in words where its weights come from."""
    from ganlib.training.checkpoint import read_part

    run_id = teacher.model.trained_by
    try:
        if run_id is None:
            raise BadInput("its run is not known.")
        read_part(fetch_checkpoint(project, run_id), "discriminator", student.get_submodule("discriminator"))
    except GanlibError as error:
        return f"a fresh one, as the teacher's cannot be had: {error}"
    return f"the teacher's, of run {run_id}"
