"""Measure a model on its ONNX file: what is shipped is what is measured."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganlib.config import MarkConfig, Params
from ganlib.core import log_ids
from ganlib.core.cost import CostMeter
from ganlib.core.errors import BadInput
from ganlib.core.events import Remark
from ganlib.core.processes import machine, usable_cores
from ganlib.core.progress import Report, TitledReport, doing, silent
from ganlib.core.project import Project
from ganlib.data.splits import load_split
from ganlib.evaluation.bootstrap import pack
from ganlib.evaluation.evaluate import Delivery, Evaluation, Speedup, load_reference, score_images
from ganlib.evaluation.needs import changes, fitted
from ganlib.generation.mark import packet_of_models
from ganlib.generation.pictures.contact_sheet import contact_sheet
from ganlib.jobs.data.judge import judge_for
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.models import Model, fetch, fetch_version
from ganlib.registry import page
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking import charts, runs
from ganlib.tracking.store import connect

if TYPE_CHECKING:
    import numpy as np

    from ganlib.data.spec import DatasetSpec
    from ganlib.generation.session import OnnxModel
    from ganlib.tracking.runs import Run

SAMPLES = "evaluation/samples.png"
"""The run's artifact that shows the first hundred images."""
_ON_SHEET = 100
REPLICATES = "evaluation/replicates.json"
"""The run's artifact with each figure and its bootstrap replicates (:func:`ganlib.evaluation.bootstrap.pack`): what a
comparison with another model pairs."""


@log_ids.scope()
def evaluate(
    project: Project, params: Params, model: str, *, record: bool = False, report: Report = silent
) -> Evaluation:
    """Draw ``evaluate.samples`` images from ``model`` and score them against the test split.

    Of a small data set there are fewer (:func:`ganlib.evaluation.needs.fitted`), which is told and recorded. The
    figures are logged to the model's run, if it has one, with a contact sheet of the first hundred images.

    Args:
        project: the checkout with the data version to compare against.
        params: the configuration.
        model: see :func:`ganlib.jobs.models.fetch`.
        record: put the figures in place of a version's evidence, which the gate goes by.
        report: told of progress.

    Raises:
        BadInput: no such model, one that draws other data than the project's, or ``record`` of what is no version.
    """
    import numpy as np

    from ganlib.generation.session import OnnxModel

    meter, source = CostMeter(), _source(project, params, model)
    if record and source.version is None:
        raise BadInput(f"--record takes a version of the registry, and {model!r} is none. Nothing was measured.")
    data = current_data(project)
    settings = fitted(params.evaluate, data.counts)
    graph = OnnxModel(source.path, sha256=source.sha256)
    require_same(graph.spec, data.spec)
    label, request = graph.metadata.get("family", "model"), graph.request(settings.seed)
    judge = judge_for(project, params, data, TitledReport(report, "judge"))
    if smaller := changes(params.evaluate, settings):
        report.event(Remark(f"evaluate {label}", {"note": smaller}))
    codes = request.codes(np.arange(settings.samples))
    start = time.perf_counter()
    images = graph.draw(request, 0, settings.samples, TitledReport(report, f"draw {label}"))
    speed = settings.samples / (time.perf_counter() - start)
    reference = load_reference(
        project.prepared, data.md5, judge, settings,
        cache=project.state / "cache", report=TitledReport(report, "real images"),
    )  # fmt: skip
    result, replicates = score_images(
        images, reference, judge, settings,
        codes=codes, train=None if codes is None else load_split(project.prepared, "train"),
        report=TitledReport(report, f"evaluate {label}"),
    )  # fmt: skip
    if result.doubt:
        report.event(Remark(f"evaluate {label}", {"note": result.doubt}))
    registry = Registry(connect(project), source.version.name) if record and source.version else None
    timings = _speedups(project, params, registry, source, graph, report)
    result = result.model_copy(update={"delivery": _delivery(graph, speed, timings)})
    if registry and source.version:
        registry.record_evaluation(source.version.version, result, source.path)
    if source.trained_by:
        sheet = _sheet(images[:_ON_SHEET], graph, settings.seed, params.mark)
        _log(runs.open_run(connect(project), source.trained_by), result, replicates, sheet)
        runs.charge(connect(project), source.trained_by, meter.close(), params.costs)
    if registry and source.version:
        page.update(registry, project.state, always=source.version.version)
    return result


def require_same(model_spec: DatasetSpec, here: DatasetSpec) -> None:
    """Raise :class:`BadInput` unless a model that draws ``model_spec`` can be held against the images ``here``."""
    if (model_spec.image, model_spec.class_names) != (here.image, here.class_names):
        raise BadInput(
            f"the model draws {model_spec.name} ({model_spec.image}, {model_spec.num_classes} classes), and the data "
            f"version here is {here.name} ({here.image}, {here.num_classes} classes): they are not compared. Bring "
            "its data back: "
            "ganlib data version --from PLACE"
        )


def _source(project: Project, params: Params, model: str) -> Model:
    """The model's file; lines of the log are about it from now on."""
    source = fetch(project, params, model)
    log_ids.note(run_id=source.trained_by, model_version=source.version.uri if source.version else None)
    return source


def _sheet(images: np.ndarray, graph: OnnxModel, seed: int, mark: MarkConfig) -> bytes:
    return contact_sheet(images, packet_of_models(mark, [graph.sha256], f"{seed}-0-{len(images) - 1}"), columns=10)


@doing("log the figures")
def _log(run: Run, result: Evaluation, replicates: Mapping[str, np.ndarray], sheet: bytes) -> None:
    run.log(charts.of_evaluation(result.metrics()), step=0)
    run.text(charts.table(result.metrics()), "evaluation/figures.csv")
    run.text(result.model_dump_json(indent=2), "evaluation/evaluation.json")
    run.text(json.dumps({name: pack(values) for name, values in replicates.items()}, indent=2), REPLICATES)
    run.image(sheet, SAMPLES)


def _speedups(
    project: Project, params: Params, registry: Registry | None, source: Model, graph: OnnxModel, report: Report
) -> tuple[Speedup, ...]:
    """How fast a version to record is beside others, as far as is known; beside the champion anew, if the gate asks."""
    from ganlib.generation.session import OnnxModel
    from ganlib.generation.speed.latency import speedups

    if registry is None or source.version is None:
        return ()
    delivery = source.evaluation.delivery if source.evaluation else None
    earlier, champion = delivery.speedups if delivery else (), registry.alias(CHAMPION)
    if params.gate.prefer == "quality" or champion is None or champion.version == source.version.version:
        return earlier
    rival = fetch_version(project, registry, champion, CHAMPION)
    anew = speedups(graph, OnnxModel(rival.path, sha256=rival.sha256), report=report)
    return (*(each for each in earlier if each.rival != rival.sha256), *anew)


def _delivery(graph: OnnxModel, speed: float, timings: tuple[Speedup, ...]) -> Delivery:
    """What the file costs; ``speed``: images a second, seen while they were drawn for the figures."""
    from ganlib.export.onnx import Certificate
    from ganlib.generation.speed.latency import latency

    try:
        parity = Certificate.model_validate_json(graph.metadata.get("parity", ""))
    except ValueError:  # a graph of somebody else's
        parity = None
    median, slow = latency(graph)
    return Delivery(
        bytes=graph.path.stat().st_size,
        latency_ms=median,
        latency_p95_ms=slow,
        images_per_second=speed,
        threads=usable_cores(),
        machine=machine(),
        max_pixel_difference=parity.max_pixel_difference if parity else None,
        differing_share=parity.differing_share if parity else None,
        mean_pixel_difference=parity.mean_difference if parity else None,
        speedups=timings,
    )
