"""Measure a model on its ONNX file: what is shipped is what is measured."""

from __future__ import annotations

from ganlib.config import Params
from ganlib.data.splits import load_split
from ganlib.evaluation.evaluate import Evaluation, evaluate_images, load_reference
from ganlib.evaluation.judge import load_judge
from ganlib.jobs.models import fetch
from ganlib.jobs.version_data import current_data
from ganlib.progress import Report, silent
from ganlib.project import Project
from ganlib.tracking.store import connect

SAMPLES = "evaluation/samples.png"
"""The run's artifact that shows the first hundred images."""


def evaluate(project: Project, params: Params, model: str, *, report: Report = silent) -> Evaluation:
    """Draw ``evaluate.samples`` images from ``model`` and score them against the test split.

    The figures are logged to the model's run, if it has one, with a contact sheet of the first hundred images.

    Args:
        project: the checkout with the data version to compare against.
        params: the configuration.
        model: see :func:`ganlib.jobs.models.fetch`.
        report: told of progress.
    """
    from ganlib.generation.session import OnnxModel
    from ganlib.generation.sheet import contact_sheet
    from ganlib.generation.wanted import wanted

    found = fetch(project, params, model)
    data, judge, settings = current_data(project), load_judge(), params.evaluate
    graph = OnnxModel(found.path, sha256=found.sha256)
    label = graph.metadata.get("family", "model")
    asked = wanted(graph.contract)
    codes = asked.codes(settings.seed, settings.samples)
    images = graph.images(settings.seed, 0, settings.samples, asked, report=_titled(report, f"draw {label}"))
    reference = load_reference(project.prepared, data.md5, judge, settings, cache=project.state / "cache")
    result = evaluate_images(
        images, reference, judge, settings,
        asked=codes, train=None if codes is None else load_split(project.prepared, "train"),
        report=_titled(report, f"evaluate {label}"),
    )  # fmt: skip
    if found.trained_by:
        run = connect(project).open_run(found.trained_by)
        run.log(result.metrics(), step=0)
        run.text(result.model_dump_json(indent=2), "evaluation/evaluation.json")
        run.image(contact_sheet(images[:100], columns=10), SAMPLES)
    return result


def _titled(report: Report, title: str) -> Report:
    """``report`` with every stage called ``title``."""
    return lambda stage, done, total, facts=None: report(title, done, total, facts)
