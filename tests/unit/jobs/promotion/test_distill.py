"""`ganlib distill`: a student that is a version beside its teacher, and a run that can be gone on with."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ganlib.config import Params, load
from ganlib.core.errors import BadInput, Interrupted
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.export.contract import describe
from ganlib.jobs.measuring.evaluate import evaluate
from ganlib.jobs.models import Model
from ganlib.jobs.promotion.distill import distill, widest
from ganlib.jobs.promotion.distillation import Distillation
from ganlib.jobs.promotion.explain import explain
from ganlib.jobs.promotion.promote import promote, register
from ganlib.jobs.training.teacher import Teacher
from ganlib.jobs.training.train import train
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking import history
from ganlib.tracking.store import connect
from tests import factories
from tests.services import project as projects

NAME = "mnist-generator"
SETTINGS = (
    "budgets.smoke={steps: 4, seconds: 60}",
    "train.log_every=1",
    "families.dcgan={channels: 32, batch_size: 64}",
    "distill.batch_size=64",
)
SPEED = 1.3
"""Such widths are there for any timing, however busy the machine is."""


class Ends(Report):
    """Asks the process to end, as a terminal would, when the first loss of a training is told."""

    def __init__(self) -> None:
        self.stages: set[str] = set()

    def advance(self, stage: str, done: int, total: int, figures: Mapping[str, Any] | None = None) -> None:
        self.stages.add(stage)
        if stage == "train dcgan" and figures:
            os.kill(os.getpid(), signal.SIGTERM)

    def event(self, event: object) -> None:
        """Nothing."""


class Stages(Ends):
    """Only listens."""

    def advance(self, stage: str, done: int, total: int, figures: Mapping[str, Any] | None = None) -> None:
        self.stages.add(stage)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose champion, version 1, was trained for four steps."""
    made = Project(projects.make(tmp_path_factory.mktemp("distill") / "project"))
    params = load(made.params_file, SETTINGS)
    run = train(made, params, "dcgan", budget="smoke").run_id
    register(made, params, run, evaluate(made, params, f"runs:/{run}"), candidates=2)
    assert promote(made, params, "1").promoted
    return made


@pytest.fixture
def params(project: Project) -> Params:
    return load(project.params_file, SETTINGS)


def made(project: Project, params: Params, report: Report = silent, **changes: Any) -> Distillation:
    return distill(project, params, "champion", speed=SPEED, rounds=1, report=report, **changes)


def test_the_widest_that_is_fast_enough_is_taken() -> None:
    """Of graphs whose time is their width squared, 32 wide is 4 times as fast at 16, and 3 times 1.1 at 17."""

    def times(width: int) -> float:
        return (32 / width) ** 2

    assert [widest(32, speed, times) for speed in (1.5, 3, 8)] == [24, 17, 10]
    assert widest(32, 2000, times) is None


def test_a_student_has_its_teachers_options_but_for_its_width(tmp_path: Path) -> None:
    params = load(factories.project(tmp_path / "bare").params_file)
    model = Model(reference="1", path=tmp_path / "m.onnx", sha256="0" * 64)
    teacher = Teacher(
        reference="models:/m/1", model=model, family="dcgan", noise_dim=32, width=32, channels=16, latent_categories=4
    )
    student = teacher.student(params, 18)
    assert student.families["dcgan"] == {
        "latent_dim": 32, "latent_categories": 4, "channels": 16, "batch_size": params.distill.batch_size,
        "generator_channels": 18,
    }  # fmt: skip
    assert student.limits("dcgan", "standard") == params.budgets["standard"].distill
    for family, budget in (("cgan", "standard"), ("dcgan", "demo")):
        assert student.limits(family, budget).steps == params.limits(family, budget).steps


@pytest.mark.slow
def test_a_student_is_a_version_beside_its_teacher_and_an_interrupted_one_is_gone_on_with(
    project: Project, params: Params
) -> None:
    store = connect(project)
    registry, ledger = Registry(store, NAME), Ledger(store, NAME)
    before, ends = ledger.read().lines, Ends()
    with pytest.raises(Interrupted, match=f"ganlib distill models:/{NAME}/1 --resume ") as stopped:
        made(project, params, ends)
    assert "choose a width" in ends.stages
    run_id = str(stopped.value).rpartition(" ")[2].rstrip(".")
    stages = Stages()
    student = made(project, params, stages, resume=run_id)
    assert "choose a width" not in stages.stages, "the run has its width"
    assert (student.run_id, student.version, student.steps) == (run_id, 2, 4)

    teacher, version = registry.get(1), registry.get(2)
    assert (version.sibling_of, version.variant, version.precision) == (1, "distilled", None)
    assert version.candidates == teacher.candidates
    assert version.evaluation == student.after
    assert version.certificate
    assert version.certificate.parent is None, "it is held against its own net in torch, as any trained one"
    assert version.certificate.ok(1)
    assert version.evaluation
    assert version.evaluation.delivery
    speedups = version.evaluation.delivery.speedups
    assert [(each.threads, each.rival) for each in speedups] == [(1, teacher.sha256), (2, teacher.sha256)]
    run = history.read(store, run_id)
    assert run.params["generator_channels"] == str(student.width)
    assert student.width < student.teacher_width == 32
    assert run.params["distill.pixels"] == "1.0"
    assert run.params["teacher"] == teacher.uri
    assert run.tags["mlflow.parentRunId"] == teacher.run_id
    assert {"teacher_pixels", "teacher_features", "generator_loss"} <= run.metrics.keys()
    facts = describe((project.run_folder(run_id) / "generator.onnx").read_bytes(), "student").metadata
    assert (facts["distilled_from"], facts["parent_sha256"]) == (teacher.uri, teacher.sha256)
    assert registry.aliases() == {CHAMPION: 1}
    assert ledger.read().lines == before, "the gate was asked, and decided nothing"
    walked = {link.what: link.found for link in explain(project, params, "2").links}
    assert walked["parent"] == {"version": 1, "distilled": True, "sha256": teacher.sha256}
    assert walked["run"]["id"] == run_id, "its own training's"
    once_more = made(project, params, stages, resume=run_id)
    assert (once_more.version, once_more.after) == (2, student.after), "what is there already is not made again"
    for word in ("a student of models:/mnist-generator/1", "on one thread", "on 2 threads", "would be", "paired"):
        assert word in student.summary()


@pytest.mark.slow
def test_measured_again_a_version_keeps_what_is_known_of_its_speed_and_is_timed_beside_the_champion(
    project: Project, params: Params
) -> None:
    registry = Registry(connect(project), NAME)
    before = registry.get(2).evaluation
    assert before
    assert before.delivery
    assert evaluate(project, params, "2", record=True).delivery.speedups == before.delivery.speedups  # type: ignore[union-attr]
    faster = load(project.params_file, [*SETTINGS, "gate.prefer=speed_at_equal_quality"])
    again = evaluate(project, faster, "2", record=True).delivery
    assert again
    assert [each.threads for each in again.speedups] == [1, 2]
    assert again.speedups != before.delivery.speedups
    check = promote(project, faster, "2", dry_run=True).checks[-1]
    assert check.name in ("faster at equal quality", "better")


@pytest.mark.slow
def test_what_cannot_be_distilled_is_told_before_anything_is_trained(project: Project, params: Params) -> None:
    registry = Registry(connect(project), NAME)
    graph = project.run_folder(registry.get(1).run_id or "") / "generator.onnx"
    for reference, speed, words in (
        ("1", 1.0, "must be more than 1"),
        (str(graph), SPEED, "is no version of the registry"),
        ("2", SPEED, "is a sibling: distill version 1"),
    ):
        with pytest.raises(BadInput, match=words):
            distill(project, params, reference, speed=speed)
    with pytest.raises(BadInput, match="is no distillation"):
        distill(project, params, "1", resume=registry.get(1).run_id)
    assert len(registry.versions()) == 2
