"""The flow `generate`: a batch of images from a registered model, by this process or by Dask's workers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from prefect import flow

from ganlib.cli.app import Json, Set
from ganlib.cli.batches import output_place, show_batch
from ganlib.cli.flows import require_runner
from ganlib.core import project as projects
from ganlib.core.errors import GanlibError
from ganlib.evaluation.drift import Drift
from ganlib.generation import formats
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.storage import is_url, locate
from ganlib.jobs.images.generate import BatchResult, GenerateRequest
from pipelines import artifacts, names, places, tasks, workers
from pipelines.launch import launch, main

_ON_SHEET = 100
OUT = "out/{model}-v{version}-seed{seed}-{count}"


def _name(given: dict[str, Any]) -> str:
    return f"generate {given['count']} images of {given['model']}"


@flow(name="generate", flow_run_name=names.naming(_name))
def generate(
    model: str = "champion",
    out: str = OUT,
    count: int = 1000,
    seed: int = 0,
    start: int = 0,
    file_format: str = "png",
    shard_size: int | None = None,
    batch_size: int | None = None,
    labels: str | None = None,
    caption: str | None = None,
    truncation: float = 1.0,
    provider: str = "cpu",
    allow_cpu: bool = False,
    grid: bool = False,
    check: bool | None = None,
    fail_on_drift: bool = False,
    runner: str = "local",
    scheduler: str | None = None,
    overrides: list[str] | None = None,
) -> dict[str, Any]:
    """Make images with onnxruntime; an interrupted job in ``out`` is completed.

    Args:
        model: an alias, a version, a models:/ or runs:/ URI, or an .onnx file.
        out: a folder (relative paths are taken from the project's root) or s3://BUCKET/FOLDER; {model}, {version},
            {seed} and {count} are filled in, so that another champion gets a folder of its own.
        count: how many images.
        seed: image i depends only on the model, this seed, i, and what is asked of the model.
        start: number of the first image.
        file_format: png, npy, npz, parquet, webdataset or zarr.
        shard_size: images a shard; None: `generate.shard_size` of params.yaml.
        batch_size: images worked on at once; changes none.
        labels: for models of digits: a digit, `balanced`, `uniform` or a file, a digit a line.
        caption: for models of captions.
        truncation: what the noise is multiplied by, above 0 and at most 1.
        provider: cpu, cuda or tensorrt.
        allow_cpu: take the processor where the provider is not to be had.
        grid: draw the first hundred on a sheet beside the folder.
        check: let the judge score a sample; None: of versions with an evaluation.
        fail_on_drift: fail if the judge says that the batch drifts.
        runner: local, or dask: shards go to its workers and are tried again one by one.
        scheduler: of Dask, such as tcp://10.0.0.1:8786; None: workers on this machine.
        overrides: `section.key=value` over params.yaml.
    """
    project = projects.find()
    root, changes = project.root, overrides or []
    require_runner(runner, scheduler)
    places.require_output(project, out)
    places.require_sheet_of_folder(out, grid)
    pinned = places.source(project, "model", model) if Path(model).suffix == ".onnx" else model
    if labels and not labels.isdigit() and labels not in ("balanced", "uniform"):
        labels = places.source(project, "labels", labels)
    if _FIELD.search(out):
        found = tasks.resolve(str(root), changes, pinned)
        pinned, out = found["uri"], _filled(out, found, seed, count)
        places.require_output(project, out)
        names.rename(f"{_name({'count': count, 'model': model})} (version {found['version']}, seed {seed})")
    place = out if is_url(out) else str(root / out)
    order = GenerateRequest(
        out=place, count=count, seed=seed, start=start, file_format=file_format, shard_size=shard_size,
        batch_size=batch_size, labels=labels or None, caption=caption or None, truncation=truncation,
        provider=provider, allow_cpu=allow_cpu, grid=grid, check=check,
    )  # fmt: skip
    order.require()
    if runner == "dask":
        batch = workers.generate(root, changes, pinned, order, scheduler)
    else:
        batch = BatchResult.model_validate(tasks.generate(str(root), changes, pinned, order.model_dump(mode="json")))
    artifacts.sheet(sheet_of(batch.manifest, place), f"the first of {count} images of {model}")
    if batch.quality:
        artifacts.quality(batch.quality.summary)
    drifted = bool(batch.quality and batch.quality.drifted)
    if drifted and fail_on_drift and batch.quality:
        raise GanlibError(f"{batch.quality.summary} The images in {place} were kept.")
    quality = batch.quality.model_dump(mode="json") if batch.quality else None
    return {**batch.manifest.model_dump(mode="json"), "drifted": drifted, "quality": quality}


_FIELD = re.compile(r"\{(model|version|seed|count)\}")


def _filled(out: str, found: dict[str, Any], seed: int, count: int) -> str:
    """``out`` with what its fields stand for; what could step out of a folder is made harmless."""
    known = {"model": found["name"], "version": found["version"], "seed": seed, "count": count}
    return _FIELD.sub(lambda field: re.sub(r"[^A-Za-z0-9._-]+", "-", str(known[field[1]])), out)


def sheet_of(manifest: Manifest, out: str, limit: int = _ON_SHEET) -> bytes:
    """The first ``limit`` images of a batch's first shard as one PNG."""
    import numpy as np

    from ganlib.generation.pictures.contact_sheet import contact_sheet

    rows = np.arange(min(limit, len(manifest.images(0))))
    return contact_sheet(formats.load(manifest.file_format).images(locate(out), manifest, 0, rows), columns=10)


def command(
    out: Annotated[str, typer.Option(help="A folder or s3://BUCKET/FOLDER; the fields in braces are filled in.")] = OUT,
    model: Annotated[str, typer.Option()] = "champion",
    count: Annotated[int, typer.Option()] = 1000,
    seed: Annotated[int, typer.Option()] = 0,
    order: Annotated[str | None, typer.Option(help="All that `ganlib generate` takes, as JSON; it sends this.")] = None,
    fail_on_drift: Annotated[bool, typer.Option("--fail-on-drift")] = False,
    runner: Annotated[str, typer.Option()] = "local",
    scheduler: Annotated[str | None, typer.Option()] = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Generate images as a Prefect flow."""
    asked = (
        GenerateRequest.model_validate_json(order)
        if order
        else GenerateRequest(out=output_place(out), count=count, seed=seed)
    )
    given = {name: value for name, value in asked.model_dump().items() if value is not None}
    made = launch(
        generate, as_json=as_json, model=model, runner=runner, scheduler=scheduler, overrides=overrides, **given
    )
    quality = Drift.model_validate(made["quality"]) if made["quality"] else None
    manifest = Manifest.model_validate({k: v for k, v in made.items() if k in Manifest.model_fields})
    show_batch(BatchResult(manifest=manifest, quality=quality), asked.out, fail_on_drift=fail_on_drift, as_json=as_json)


if __name__ == "__main__":
    main(command)
