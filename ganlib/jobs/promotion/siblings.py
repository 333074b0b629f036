"""Siblings of a model: the same graph in fewer bits, measured and decided upon like any other model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ganlib.config import Params
from ganlib.core import project as projects
from ganlib.core.errors import BadInput
from ganlib.core.files import require_writable, sha256_file, write_bytes
from ganlib.core.processes import machine
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.evaluation.evaluate import Evaluation
from ganlib.evaluation.needs import fitted
from ganlib.export import precision as precisions
from ganlib.export.onnx import Certificate
from ganlib.export.precision import PRECISIONS, Precision
from ganlib.generation.noise import ALGORITHM, BLOCK
from ganlib.generation.speed.latency import ROUNDS
from ganlib.jobs.data.judge import judge_sha256_for
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.measuring.evaluate import evaluate
from ganlib.jobs.models import Model, fetch
from ganlib.jobs.promotion.promote import promote
from ganlib.jobs.promotion.sibling_table import SiblingRow, Siblings, fid_change, remarks
from ganlib.registry import page
from ganlib.registry.gate import Decision
from ganlib.registry.lineage import versions_of
from ganlib.registry.registry import Registry, Version
from ganlib.tracking import history, runs
from ganlib.tracking.runs import UNHEALTHY_TAG
from ganlib.tracking.store import Absent, connect

if TYPE_CHECKING:
    from ganlib.data.versioning.record import DataVersion
    from ganlib.generation.session import OnnxModel

PARITY_IMAGES = 1024
"""Images that the grey levels of parent and sibling are compared on."""


def siblings(
    project: Project,
    params: Params,
    reference: str,
    *,
    out: Path | None = None,
    put_through: bool = False,
    rounds: int = ROUNDS,
    report: Report = silent,
) -> Siblings:
    """Make ``reference`` in fp16 and int8; compare quality, latency, throughput and size.

    Siblings of a version become versions: linked to it by tags, each with a run of its own, evaluated as any other, and
    shown to the gate. Siblings of anything else are files. What was made before, byte for byte, is taken as it is.

    Args:
        project: the checkout with the data version to compare against.
        params: the configuration; ``export`` says what int8 is calibrated on.
        reference: see :func:`ganlib.jobs.models.fetch`.
        out: a folder for the files; needed if ``reference`` is no version.
        put_through: let the gate decide on each, which may promote it and counts as a try against the champion;
            otherwise it is only asked what it would say.
        rounds: of the timings; each takes a third of a second a model.
        report: told of progress.

    Raises:
        BadInput: no such model, one that is a sibling itself, or nowhere to put the files.
        ExportError: the graph cannot be converted.
        Unavailable: the registry cannot be reached.
    """
    from ganlib.generation.session import OnnxModel
    from ganlib.generation.speed.latency import images_per_second, latencies

    source = fetch(project, params, reference)
    _require_place(source, reference, out, put_through)
    parent = OnnxModel(source.path, sha256=source.sha256)
    if other := parent.metadata.get(precisions.PRECISION_KEY):
        of = f"version {source.version.sibling_of}" if source.version and source.version.sibling_of else "its parent"
        raise BadInput(f"{reference} is {other} already: make siblings of {of}. Nothing was made.")

    def measure(model: Model) -> Evaluation:
        return current_evaluation(project, params, model) or evaluate(project, params, str(model.path), report=report)

    base, settings = measure(source), params.export
    images = -(-settings.calibration_images // BLOCK) * BLOCK
    calibration = f"{images} images of seed {settings.calibration_seed} ({ALGORITHM})"
    variants = [_make(project, params, source, parent, each, calibration, out, report) for each in PRECISIONS]
    graphs = [parent, *(OnnxModel(model.path, sha256=model.sha256) for _, model in variants)]
    latency, speed = latencies(graphs, rounds=rounds), images_per_second(graphs, rounds=rounds, report=report)
    rows = [_row("fp32", source, base, latency[0], speed[0])]
    for at, (precision, (parity, model)) in enumerate(zip(PRECISIONS, variants, strict=True), 1):
        evaluation = measure(model)
        row = _row(precision, model, evaluation, latency[at], speed[at])
        row = row.model_copy(update={"parity": parity, "fid_change": fid_change(base, evaluation)})
        decision = _decision(project, params, model, put_through=put_through)
        rows.append(row.model_copy(update={"remarks": remarks(row, rows[0], decision), "gate": decision}))
    return Siblings(reference=reference, calibration=calibration, machine=machine(), rows=tuple(rows))


def _require_place(source: Model, reference: str, out: Path | None, put_through: bool) -> None:
    """Raise :class:`BadInput` where there is nowhere to put the siblings, or nothing that a gate could decide on."""
    if source.version is None and out is None:
        raise BadInput(f"{reference!r} is no version of the registry: say where its siblings go: --out FOLDER.")
    if source.version is None and put_through:
        raise BadInput(f"{reference!r} is no version of the registry, and the gate decides on versions alone.")
    if out:
        require_writable(out)


def _make(
    project: Project,
    params: Params,
    source: Model,
    parent: OnnxModel,
    precision: Precision,
    calibration: str,
    out: Path | None,
    report: Report,
) -> tuple[Certificate, Model]:
    """Make the sibling in ``precision``: a version, where its parent is one, and else a file in ``out``."""
    report.advance(f"export {precision}", 0, 1)
    with tempfile.TemporaryDirectory(prefix="ganlib-siblings-") as folder:
        path = Path(folder) / f"{_stem(source)}-{precision}.onnx"
        parity = precisions.write(
            source.path, precision, path,
            calibration=blocks(parent, params.export.calibration_seed, params.export.calibration_images),
            calibration_text=calibration,
            batches=blocks(parent, params.evaluate.seed, PARITY_IMAGES),
        )  # fmt: skip
        report.advance(f"export {precision}", 1, 1, {"mean_difference": parity.mean_difference or 0.0})
        reference = str(path)
        if out:
            write_bytes(out / path.name, path.read_bytes())
            reference = str(out / path.name)
        if source.version:
            reference = _registered(project, params, source.version, path, precision, calibration, report).uri
        return parity, fetch(project, params, reference)


def _stem(source: Model) -> str:
    return f"version-{source.version.version}" if source.version else source.path.stem


def blocks(model: OnnxModel, seed: int, images: int) -> list[precisions.Inputs]:
    """Return inputs of the first blocks of ``seed``: at least ``images`` rows, drawn as any batch job draws them."""
    request = model.request(seed)
    return [request.inputs(model.noise_dim, block) for block in range(-(-images // BLOCK))]


def current_evaluation(project: Project, params: Params, source: Model) -> Evaluation | None:
    """The version's evaluation, if one made now would be by the same measure."""
    evaluation = source.version.evaluation if source.version else None
    if evaluation is None or "fid" not in evaluation.resampled:
        return None
    data = current_data(project)
    judge = judge_sha256_for(project, params, data)
    return evaluation if evaluation.is_by(fitted(params.evaluate, data.counts), judge, data.md5) else None


def _registered(
    project: Project,
    params: Params,
    parent: Version,
    path: Path,
    precision: Precision,
    calibration: str,
    report: Report,
) -> Version:
    """The graph at ``path`` as a version that is linked to ``parent``, with a run of its own below the parent's."""
    store = connect(project)
    registry, sha256 = Registry(store, parent.name), sha256_file(path)
    earlier = [each for each in versions_of(registry, sha256) if each.sibling_of == parent.version]
    if earlier:
        return registry.get(earlier[0].version)
    data, options, tags = _of_parent(project, parent)
    with runs.start(
        store,
        f"{precision} of version {parent.version}",
        family=f"{parent.family} {precision}",  # not the family's own name: its newest run is another
        params={**options, "precision": precision, **({"calibration": calibration} if precision == "int8" else {})},
        tags={"ganlib.sibling_of": parent.uri, **tags},
        data=data,
        source=projects.source(project.root),
        experiment=params.registry.experiment,
        prices=params.costs,
    ) as run:
        onnx = project.run_folder(run.id) / "generator.onnx"
        write_bytes(onnx, path.read_bytes())
        run.artifact(onnx, "onnx")
    evaluation = evaluate(project, params, f"runs:/{run.id}", report=report)
    version = registry.register(
        run.id, onnx, evaluation=evaluation, data=data, candidates=parent.candidates, sibling_of=parent.version
    )
    page.update(registry, project.state)
    return version


def _of_parent(project: Project, parent: Version) -> tuple[DataVersion, dict[str, str], dict[str, str]]:
    """The parent's data version, options and the tags that its siblings inherit, as far as its run is still there."""
    store, tags = connect(project), {UNHEALTHY_TAG: parent.unhealthy} if parent.unhealthy else {}
    if parent.run_id is None:
        return current_data(project), {}, tags
    try:
        options = history.read(store, parent.run_id).params
    except Absent:
        return current_data(project), {}, tags
    data = history.data_version(store, parent.run_id) or current_data(project)
    return data, options, {**tags, "mlflow.parentRunId": parent.run_id}


def _decision(project: Project, params: Params, model: Model, *, put_through: bool) -> Decision | None:
    """What the gate says of a version. The champion itself is not asked about."""
    if model.version is None or "champion" in model.version.aliases:
        return None
    return promote(project, params, str(model.version.version), dry_run=not put_through)


def _row(precision: str, model: Model, evaluation: Evaluation, latency: float, speed: float) -> SiblingRow:
    return SiblingRow(
        precision=precision,
        version=model.version.version if model.version else None,
        path=model.path,
        sha256=model.sha256,
        bytes=model.path.stat().st_size,
        latency_ms=latency,
        images_per_second=speed,
        evaluation=evaluation,
    )
