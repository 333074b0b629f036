"""The flow `generate`: a batch of images from a registered model, by this process or by Dask's workers."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from prefect import flow

from ganlib.cli import options
from ganlib.cli.batches import output_place, show_batch
from ganlib.cli.flows import RunOptions
from ganlib.cli.options import Json, Model, Set
from ganlib.config import ANONYMOUS, GenerateConfig
from ganlib.core import project as projects
from ganlib.core.cost import Cost
from ganlib.core.errors import GanlibError
from ganlib.evaluation.drift import Drift
from ganlib.generation import formats
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.label_file import names_file
from ganlib.generation.mark import packet_of_models
from ganlib.generation.storage import is_url, locate
from ganlib.jobs.images.generate import BatchResult
from ganlib.jobs.images.request import GenerateRequest
from pipelines import artifacts, forms, names, places, tasks, workers
from pipelines.launch import launch, sign

_ON_SHEET = 100
OUT = "out/{model}-v{version}-seed{seed}-{count}"
DEFAULTS = {"out": OUT, "count": GenerateConfig().count, "seed": GenerateConfig().seed}
_OUT_NOTE = (
    "A folder (relative paths are taken from the project's root) or s3://BUCKET/FOLDER; {model}, {version}, {seed} and "
    "{count} are filled in, so that another champion gets a folder of its own."
)


def _name(parameters: dict[str, Any]) -> str:
    return f"generate {parameters['count']} images of {parameters['model']}"


@flow(name="generate", flow_run_name=names.naming(_name), on_running=[sign])
@forms.offer(DEFAULTS, out=_OUT_NOTE)
def generate(
    *, model: Model = "champion", request: GenerateRequest, run: RunOptions, overrides: Set = None
) -> dict[str, Any]:
    """Make images with onnxruntime; an interrupted job in ``out`` is completed."""
    project = projects.find()
    root, changes = project.root, overrides or []
    run.require()
    out, labels, count, seed = request.out, request.labels, request.count, request.seed
    places.require_output(project, out)
    places.require_sheet_of_folder(out, request.grid)
    reference = places.source(project, "model", model) if Path(model).suffix == ".onnx" else model
    if labels and names_file(labels):
        labels = places.source(project, "labels", labels)
    if _FIELD.search(out):
        target = tasks.resolve(str(root), changes, reference)
        reference, out = target["uri"], fill(out, target, seed, count)
        places.require_output(project, out)
        names.rename(f"{_name({'count': count, 'model': model})} (version {target['version']}, seed {seed})")
    place = out if is_url(out) else str(root / out)
    request = replace(request, out=place, labels=labels)
    request.require()
    if run.runner == "dask":
        batch = workers.generate(root, changes, reference, request, run.scheduler)
    else:
        batch = BatchResult.model_validate(tasks.generate(str(root), changes, reference, asdict(request)))
    artifacts.sheet(sheet_of(batch.manifest, place), f"the first of {count} images of {model}")
    if batch.quality:
        artifacts.quality(batch.quality.summary)
    drifted = bool(batch.quality and batch.quality.drifted)
    if drifted and run.fail_on_drift and batch.quality:
        raise GanlibError(f"{batch.quality.summary} The images in {place} were kept.")
    quality = batch.quality.model_dump(mode="json") if batch.quality else None
    facts = {"drifted": drifted, "quality": quality, "cost": batch.cost.model_dump()}
    return {**batch.manifest.model_dump(mode="json"), **facts}


_FIELD = re.compile(r"\{(model|version|seed|count)\}")


def fill(out: str, target: dict[str, Any], seed: int | None, count: int | None) -> str:
    """``out`` with what its fields stand for; what could step out of a folder is made harmless."""
    values = {"model": target["name"], "version": target["version"], "seed": seed, "count": count}
    return _FIELD.sub(lambda field: re.sub(r"[^A-Za-z0-9._-]+", "-", str(values[field[1]])), out)


def sheet_of(manifest: Manifest, out: str, limit: int = _ON_SHEET) -> bytes:
    """Return the first ``limit`` images of a batch's first shard as one PNG."""
    import numpy as np

    from ganlib.generation.pictures.contact_sheet import contact_sheet

    numbers = manifest.images(0)[:limit]
    images = formats.load(manifest.file_format).images(locate(out), manifest, 0, np.arange(len(numbers)))
    which = f"{manifest.seed}-{numbers[0]}-{numbers[-1]}"
    return contact_sheet(
        images, packet_of_models(manifest.mark or ANONYMOUS, [manifest.model_sha256], which), columns=10
    )


@options.command
def command(
    *,
    model: Model = "champion",
    request: GenerateRequest,
    run: RunOptions,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Generate images as a Prefect flow."""
    place = output_place(request.out)
    parameters = {**asdict(request), **asdict(run), "out": place}
    result = launch(
        generate, as_json=as_json, model=model, overrides=overrides,
        **{name: value for name, value in parameters.items() if value is not None},
    )  # fmt: skip
    quality = Drift.model_validate(result["quality"]) if result["quality"] else None
    manifest = Manifest.model_validate({k: v for k, v in result.items() if k in Manifest.model_fields})
    batch = BatchResult(manifest=manifest, quality=quality, cost=Cost.model_validate(result["cost"]))
    show_batch(batch, place, fail_on_drift=run.fail_on_drift, as_json=as_json)
